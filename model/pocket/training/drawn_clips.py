"""Clips of drawn presenters with their rest picture and the boxes of its mouth and eyes, as another hand might have drawn them: what both stages of pocket's training see."""

import math
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from model.pocket.motion_autoencoder import identity_grid
from model.presenters.face import eye_boxes, mouth_box, pixel_weights, render_faces

WORTH_STEP = 4
"""Pixels to one weight."""
BEND = 0.05
"""How far a whole picture is bent, in half pictures."""
JITTER_PLACE, JITTER_SIZE = 0.12, 0.15
"""How wrong boxes are, of their size: no detector finds them to the pixel."""


@dataclass
class DrawnClips:
    """A batch of clips; also a pool of them."""

    rest: Tensor
    """[n, 3, y, x]: the picture, in 0..1."""
    boxes: Tensor
    """[n, 3, 4]: mouth, left and right eye of the picture: centre x, y and half sizes, in half pictures."""
    frames: Tensor
    """[n, t, 3, y, x] in 0..1."""
    worth: Tensor
    """[n, t, 1, y/4, x/4]: what a pixel is worth to a loss: 1, and more on mouth and eyes."""

    def take(self, rows: Tensor) -> "DrawnClips":
        """The clips of these rows."""
        return DrawnClips(*(getattr(self, f.name)[rows] for f in fields(self)))


class ClipRenderer:
    """Draws clips on the device of its generator. Not compiled: that took four minutes of nine, and saved 40 ms of 170 a step."""

    def __init__(self, generator: torch.Generator, size: int = 256) -> None:
        self.generator, self.size = generator, size

    def draw(self, identity: Tensor, rest: Tensor, motion: Tensor) -> DrawnClips:
        """Clips of presenters [n, I] who rest at [n, 1, M] in the picture and move [n, t, M]; half of them bent, some in other colours and light."""
        n, generator = len(identity), self.generator
        pictures = render_faces(identity, torch.cat([rest, motion], 1), self.size)
        worth = pixel_weights(identity, motion, self.size // WORTH_STEP)
        found = [mouth_box(identity, rest)[:, :, None], eye_boxes(identity, rest)]
        boxes = torch.cat(found, 2)[:, 0]
        bend = draw_bend(n, self.size, generator)
        bend = bend * (torch.rand(n, 1, 1, 1, generator=generator, device=bend.device) < 0.5)
        pictures, worth = bend_frames(pictures, bend), bend_frames(worth, bend)
        pictures = change_colours(pictures, generator)
        boxes = jitter_boxes(bend_boxes(boxes, bend), generator)
        return DrawnClips(pictures[:, 0], boxes, pictures[:, 1:], worth)


def draw_bend(n: int, size: int, generator: torch.Generator) -> Tensor:
    """Smooth random displacements [n, 2, size/4, size/4] in half pictures."""
    device = generator.device
    keys = torch.randn(n, 2, 5, 5, generator=generator, device=device)
    amount = BEND * torch.rand(n, 1, 1, 1, generator=generator, device=device)
    return F.interpolate(amount * keys, (size // 4, size // 4), mode="bicubic", align_corners=True)


def bend_frames(frames: Tensor, bend: Tensor) -> Tensor:
    """Frames [n, t, c, y, x], each clip bent by its displacement [n, 2, h, w]."""
    _, t, _, height, width = frames.shape
    shift = F.interpolate(bend, (height, width), mode="bilinear", align_corners=False)
    grid = identity_grid(height, width, frames.device) + rearrange(shift, "n c y x -> n y x c")
    many = F.grid_sample(frames.flatten(1, 2), grid, padding_mode="reflection", align_corners=False)
    return many.unflatten(1, (t, -1))


def bend_boxes(boxes: Tensor, bend: Tensor) -> Tensor:
    """Boxes [n, k, 4] around what was within them, after the picture was bent."""
    angle = torch.arange(12, device=boxes.device) * (math.tau / 12)
    round_it = torch.stack([angle.cos(), angle.sin()], -1)
    rim = boxes[:, :, None, :2] + boxes[:, :, None, 2:] * round_it
    moved = rim
    for _ in range(3):  # the picture was sampled at q + bend(q): solve for q
        shift = F.grid_sample(bend, moved, padding_mode="border", align_corners=False)
        moved = rim - rearrange(shift, "n c k p -> n k p c")
    low, high = moved.amin(2), moved.amax(2)
    return torch.cat([(low + high) / 2, (high - low) / 2], -1)


def jitter_boxes(boxes: Tensor, generator: torch.Generator) -> Tensor:
    """Boxes [n, k, 4] as wrong as found ones."""
    draw = 2 * torch.rand(boxes.shape, generator=generator, device=boxes.device) - 1
    place, size = draw.chunk(2, -1)
    half = boxes[..., 2:]
    return torch.cat(
        [boxes[..., :2] + JITTER_PLACE * place * half, half * (1 + JITTER_SIZE * size)], -1
    )


def change_colours(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures [n, t, 3, y, x] in 0..1, some with channels exchanged, some with another contrast and tint; a clip's pictures alike."""
    n, device = len(pictures), pictures.device
    draw = torch.rand(n, 8, 1, 1, 1, generator=generator, device=device)
    order = torch.rand(n, 3, generator=generator, device=device).argsort(1)
    order = torch.where(draw[:, 0, 0, 0] < 0.12, order, torch.arange(3, device=device))
    pictures = pictures.gather(2, order[:, None, :, None, None].expand_as(pictures))
    touched = (draw[:, 1:2] < 0.4).float()
    gain = 1 + touched * (0.9 * draw[:, 2:5].transpose(1, 2) - 0.4)
    shift = touched * 0.25 * (draw[:, 5:8].transpose(1, 2) - 0.5)
    return (pictures * gain + shift).clamp(0, 1)


def list_photographs() -> list[Path]:
    """The photographs that ship with scikit-image, where it is installed; its one portrait is kept for judging."""
    try:
        import skimage  # type: ignore[import-not-found] # a GPU machine may have it; nothing else needs it
    except ImportError:
        return []
    found = sorted((Path(skimage.__file__).parent / "data").glob("*.*"))
    return [p for p in found if p.suffix in {".png", ".jpg", ".jpeg"} and "astronaut" not in p.name]


class PhotographBender:
    """Clips of photographs that are bent by smooth flows: nothing but motion, of textures that no renderer draws."""

    def __init__(self, size: int, device: torch.device) -> None:
        self.size, self.pictures = (
            size,
            [p.to(device) for p in map(_read_photograph, list_photographs()) if p is not None],
        )

    def draw(self, n: int, t: int, generator: torch.Generator) -> DrawnClips:
        """Clips with boxes anywhere: nothing in them tells a face."""
        rest = torch.stack([self._cut(generator) for _ in range(n)])
        keys = torch.randn(2, n, 2, 4, 4, generator=generator, device=rest.device)
        keys *= 0.01 + 0.05 * torch.rand(n, 1, 1, 1, generator=generator, device=rest.device)
        draw = torch.rand(2, n, 2, generator=generator, device=rest.device)
        time = torch.linspace(0, 1, t, device=rest.device)
        wave = torch.cos(6 * draw[0, ..., None] + (2 + 10 * draw[1, ..., None]) * time)
        flow = torch.einsum("nkt,kncyx->ntcyx", wave, keys).flatten(0, 1)
        flow = F.interpolate(flow, (self.size, self.size), mode="bicubic", align_corners=True)
        grid = identity_grid(self.size, self.size, rest.device) + rearrange(
            flow, "n c y x -> n y x c"
        )
        many = rest[:, None].expand(-1, t, -1, -1, -1).flatten(0, 1)
        frames = F.grid_sample(many, grid, padding_mode="reflection", align_corners=False)
        boxes = torch.rand(n, 3, 4, generator=generator, device=rest.device) - 0.5
        boxes[..., 2:] = 0.12 + 0.2 * boxes[..., 2:].abs()
        worth = rest.new_ones(n, t, 1, self.size // WORTH_STEP, self.size // WORTH_STEP)
        return DrawnClips(rest, boxes, frames.unflatten(0, (n, t)).clamp(0, 1), worth)

    def _cut(self, generator: torch.Generator) -> Tensor:
        pick, zoom, down, right = torch.rand(
            4, generator=generator, device=generator.device
        ).tolist()
        whole = self.pictures[int(pick * len(self.pictures))]
        side = int((0.35 + 0.55 * zoom) * min(whole.shape[1:]))
        top, left = int(down * (whole.shape[1] - side)), int(right * (whole.shape[2] - side))
        part = whole[None, :, top : top + side, left : left + side]
        return F.interpolate(part, (self.size, self.size), mode="bilinear", antialias=True)[
            0
        ].clamp(0, 1)


def _read_photograph(path: Path) -> Tensor | None:
    import numpy as np
    from PIL import Image

    try:
        picture = Image.open(path).convert("RGB")
    except OSError:
        return None
    picture.thumbnail((640, 640))
    if min(picture.size) < 240:
        return None
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
