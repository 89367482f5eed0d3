"""Latents into small pictures by one matrix, fitted to a VAE once (model/tools/fit_preview.py): what they show, in milliseconds and without torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.avatar import Byte, Float

FILE = "preview.safetensors"
"""Its name beside the weights of its VAE."""
MATRIX, FACTS = "matrix", "facts"


@dataclass(frozen=True)
class LinearPreview:
    """A linear map from a latent pixel and those around it to a square of pixels."""

    matrix: Float
    """[around · around · c + 1, side · side · 3]; the last row is added to all. Colours are -1 to 1."""
    around: int
    """1: a latent pixel by itself; 3: with its eight neighbours."""
    says: str
    """Where it comes from."""

    def reads(self, channels: int, height: int, width: int) -> bool:  # noqa: ARG002 - any size
        """Whether it was fitted to latents of so many channels."""
        return channels * self.around**2 + 1 == len(self.matrix)

    def paint(self, latents: Float) -> Byte:
        """Pictures [t, y, x, rgb] of latents [c, t, h, w]; what is no number is painted as nothing."""
        finite = np.where(np.isfinite(latents), latents, np.float32(0))
        return np.stack([self._paint(frame) for frame in finite.swapaxes(0, 1)])

    def _paint(self, latent: Float) -> Byte:
        height, width = latent.shape[1:]
        squares = gather_neighbours(latent, self.around) @ self.matrix
        return np.clip(np.rint(127.5 * (join_squares(squares, height, width) + 1)), 0, 255).astype(
            np.uint8
        )


def gather_neighbours(latent: Float, around: int) -> Float:
    """[c, h, w] → [h·w, around² · c + 1]: each latent pixel with its neighbours, and one."""
    channels, height, width = latent.shape
    reach = around // 2
    padded = np.pad(latent, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    shifts = [
        padded[:, y : y + height, x : x + width] for y in range(around) for x in range(around)
    ]
    seen = np.stack(shifts).reshape(around**2 * channels, height * width).T
    return np.concatenate([seen, np.ones((height * width, 1), np.float32)], 1)


def cut_squares(picture: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """[y, x, rgb] → [h·w, side · side · 3]: the square of each latent pixel."""
    side = picture.shape[0] // height
    squares = picture.reshape(height, side, width, side, 3).swapaxes(1, 2)
    return squares.reshape(height * width, side * side * 3)


def join_squares(squares: Float, height: int, width: int) -> Float:
    """[h·w, side · side · 3] → [y, x, rgb]; undoes `cut_squares`."""
    side = round((squares.shape[1] / 3) ** 0.5)
    whole = squares.reshape(height, width, side, side, 3).swapaxes(1, 2)
    return whole.reshape(height * side, width * side, 3)


def save_preview(preview: LinearPreview, path: Path, **facts: Any) -> None:
    """Write it, with what is to be known of how it was fitted."""
    from safetensors.numpy import save_file

    told = {"around": preview.around, "says": preview.says, **facts}
    # Halves are plenty: a picture has 256 levels.
    save_file({MATRIX: preview.matrix.astype(np.float16)}, path, {FACTS: json.dumps(told)})


def read_preview(path: Path) -> LinearPreview:
    """What `save_preview` wrote."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        told = json.loads(file.metadata()[FACTS])
        matrix = file.get_tensor(MATRIX).astype(np.float32)
    return LinearPreview(matrix, int(told["around"]), str(told["says"]))
