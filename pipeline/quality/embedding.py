"""Likeness to the reference picture as DINO or CLIP see it, from a folder of their published weights (transformers' own layout)."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.quality.video_reader import FilmFile, frame_pixels, read_frames
from storage.errors import BadWeights

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, where the folder does not say."""


def measure_likeness(film: FilmFile, folder: Path) -> tuple[float, ...]:
    """Cosine of the middle frame of each clip to the reference picture (to the first frame where there is none), by a vision model's embedding. Raises BadWeights."""
    from PIL import Image

    embedder = _Embedder(folder)
    reference = None if film.picture is None else embedder.embed(Image.fromarray(film.picture))
    found = []
    for number, frame in enumerate(read_frames(film.path)):
        middle = number % film.clip_frames == film.clip_frames // 2
        if middle or reference is None:
            seen = embedder.embed(Image.fromarray(frame_pixels(frame, "rgb24")))
            reference = seen if reference is None else reference
            if middle:
                found.append(float(seen @ reference))
    return tuple(found)


class _Embedder:
    """A vision model, and the size and colours that it wants its pictures in."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel

        try:
            self._model = AutoModel.from_pretrained(str(folder), local_files_only=True).eval()
            file = folder / "preprocessor_config.json"
            facts: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {}
        except (OSError, ValueError, KeyError) as error:
            raise BadWeights(folder, str(error).splitlines()[0]) from error
        config = getattr(self._model.config, "vision_config", self._model.config)
        self._side = _read_side(facts, int(config.image_size))
        self._mean = np.array(facts.get("image_mean", _MEAN), np.float32)
        self._deviation = np.array(facts.get("image_std", _DEVIATION), np.float32)

    def embed(self, image: "Image") -> "Tensor":
        """The embedding of an image, of length 1: its shorter side fitted, the middle taken."""
        import torch
        from PIL import Image, ImageOps

        square = ImageOps.fit(image, (self._side, self._side), Image.Resampling.BICUBIC)
        pixels = (np.asarray(square, np.float32) / 255 - self._mean) / self._deviation
        given = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
        with torch.inference_mode():
            if hasattr(self._model, "get_image_features"):
                seen = self._model.get_image_features(pixel_values=given)
            else:
                seen = self._model(pixel_values=given)
            # CLIP's own features came as a tensor in some versions, as an output in others.
            vector = seen if isinstance(seen, torch.Tensor) else seen.pooler_output
            return torch.nn.functional.normalize(vector[0].flatten(), dim=0)


def _read_side(facts: dict[str, Any], otherwise: int) -> int:
    """Pixels of the side of a model's input, from `crop_size` or `size` of its configuration, which are a number or have names inside."""
    size = facts.get("crop_size") or facts.get("size") or otherwise
    return int(size if isinstance(size, int) else size.get("height") or size["shortest_edge"])
