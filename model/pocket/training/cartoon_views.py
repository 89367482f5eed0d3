"""Views of drawn faces: pictures cut, turned, mirrored and coloured at random, with the edges of their mouth and eyes."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from model.pocket.cartoon_finder import PIXELS
from model.pocket.training.cartoon_faces import SIDE, draw_cartoon
from model.presenters.face import eye_boxes, mouth_box, render_faces, rest_motion
from model.presenters.identity import draw_identities

KEPT = 160
"""Pixels of a side of the pictures that views are cut from."""
DISTANCE = (0.13, 0.42)
"""From the eyes to the mouth, in sides of a view: a face in a whole picture, and one that a view was cut round."""
TURN = 0.1
"""Radians, the standard deviation."""
TURNED = 0.06
"""Of the views: on their side or head, and no face then."""
INSIDE = 0.02
"""Of a view: how far from its edge a part is in it, or out of it."""


@dataclass(frozen=True)
class Pictures:
    """Drawn pictures to cut views from; also some of them."""

    pixels: Tensor
    """Bytes [n, 3, KEPT, KEPT]."""
    boxes: Tensor
    """[n, mouth and eyes, x and y of the middle and half sizes], 0 to 1 along the picture; not a number where it shows no face."""

    def take(self, rows: Tensor) -> "Pictures":
        """Those of these rows."""
        return Pictures(self.pixels[rows], self.boxes[rows])


@dataclass(frozen=True)
class Views:
    """What the finder of drawn faces looks at, and what it should find."""

    pixels: Tensor
    """[n, 3, PIXELS, PIXELS] in −1..1."""
    edges: Tensor
    """[n, mouth and eyes, left, upper, right, lower edge], 0 to 1 along the view."""
    shown: Tensor
    """[n]: whether mouth and both eyes are in the view."""
    absent: Tensor
    """[n]: whether the view has no upright face with mouth and both eyes; with one of them at the view's edge it is neither."""


def draw_cartoons(seeds: range) -> Pictures:
    """Cartoons of these seeds."""
    drawn = [draw_cartoon(seed) for seed in seeds]
    none = np.full((3, 4), np.nan, np.float32)
    small = [
        Image.fromarray(each.picture).resize((KEPT, KEPT), Image.Resampling.BOX) for each in drawn
    ]
    boxes = torch.from_numpy(np.stack([none if e.boxes is None else e.boxes for e in drawn])) / SIDE
    half = boxes[..., 2:] / 2
    return Pictures(
        _to_bytes([np.asarray(each) for each in small]),
        torch.cat([boxes[..., :2] + half, half], -1),
    )


@torch.inference_mode()
def draw_presenters(number: int, seed: int) -> Pictures:
    """Presenters as pocket's warping network learns from them."""
    generator = torch.Generator().manual_seed(seed)
    identity = draw_identities(number, generator)
    rest = rest_motion(identity)
    pixels = render_faces(identity, rest, KEPT)[:, 0].mul(255).round().clamp(0, 255).byte()
    boxes = torch.cat([mouth_box(identity, rest)[:, :, None], eye_boxes(identity, rest)], 2)[:, 0]
    return Pictures(pixels, torch.cat([(boxes[..., :2] + 1) / 2, boxes[..., 2:] / 2], -1))


def join_pictures(parts: list[Pictures]) -> Pictures:
    """All of them."""
    return Pictures(torch.cat([p.pixels for p in parts]), torch.cat([p.boxes for p in parts]))


def cut_views(pictures: Pictures, generator: torch.Generator) -> Views:
    """One view of each picture."""
    n, draw = len(pictures.pixels), _Draws(generator)
    has = ~pictures.boxes[:, 0, 0].isnan()
    boxes = pictures.boxes.nan_to_num(0.5)
    middle, half = boxes[..., :2], boxes[..., 2:]
    eyes = middle[:, 1:].mean(1)
    apart = (eyes - middle[:, 0]).norm(dim=-1).clamp(min=0.05)
    wanted = draw.between(n, math.log(DISTANCE[0]), math.log(DISTANCE[1])).exp()
    side = torch.where(has, apart / wanted, draw.between(n, 0.4, 1.5)).clamp(max=2.2)
    # So far that the face stays in the view, mostly.
    room = (1 - 2.2 * wanted).clamp(min=0.12) * side
    centre = torch.where(has[:, None], (eyes + middle[:, 0]) / 2, draw.between((n, 2), 0.3, 0.7))
    centre = centre + draw.between((n, 2), -0.5, 0.5) * room[:, None]
    turned = draw.happens(n, TURNED)
    quarters = torch.where(turned, draw.between(n, 1, 4).floor(), 0)
    angle = TURN * draw.normal(n) + math.pi / 2 * quarters
    mirror = 1 - 2 * draw.happens(n, 0.5).float()
    cos, sin = angle.cos(), angle.sin()
    # What is right and what is below of a view, in the picture.
    axes = torch.stack(
        [torch.stack([cos * mirror, -sin], -1), torch.stack([sin * mirror, cos], -1)], 1
    )
    matrix = torch.cat([axes * side[:, None, None], 2 * centre[..., None] - 1], -1)
    grid = F.affine_grid(matrix, [n, 3, PIXELS, PIXELS], align_corners=False)
    padding = "border" if draw.happens(1, 0.5).item() else "zeros"
    pixels = F.grid_sample(
        pictures.pixels.float() / 255, grid, padding_mode=padding, align_corners=False
    )
    placed = ((middle - centre[:, None]) @ axes) / side[:, None, None] + 0.5
    # The box round a turned ellipse.
    size = (half.square() @ axes.square()).sqrt() / side[:, None, None]
    edges = torch.cat([placed - size, placed + size], -1)
    edges = torch.where((mirror < 0)[:, None, None], edges[:, [0, 2, 1]], edges)
    inside = ((placed > INSIDE) & (placed < 1 - INSIDE)).flatten(1).all(1)
    outside = ((placed < -INSIDE) | (placed > 1 + INSIDE)).flatten(1).any(1)
    shown, absent = has & inside & ~turned, ~has | outside | turned
    return Views(2 * change_colours(pixels, draw) - 1, edges, shown, absent)


class _Draws:
    """A generator's draws on its device."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def between(self, shape: int | tuple[int, ...], low: float, high: float) -> Tensor:
        size = (shape,) if isinstance(shape, int) else shape
        drawn = torch.rand(size, generator=self.generator, device=self.generator.device)
        return low + (high - low) * drawn

    def normal(self, n: int) -> Tensor:
        return torch.randn(n, generator=self.generator, device=self.generator.device)

    def happens(self, n: int, share: float) -> Tensor:
        return self.between(n, 0, 1) < share


def change_colours(pixels: Tensor, draw: _Draws) -> Tensor:
    """Views [n, 3, y, x] in 0..1, some in other colours, some grey or inverted, some with grain."""
    n = len(pixels)

    def some(share: float) -> Tensor:
        return draw.happens(n, share).float()[:, None, None, None]

    gain, shift = (draw.between((n, 3, 1, 1), -0.5, 0.5) for _ in range(2))
    pixels = pixels * (1 + 0.5 * some(0.4) * gain) + 0.25 * some(0.4) * shift
    pixels = torch.lerp(pixels, pixels.mean(1, keepdim=True), some(0.08))
    pixels = torch.lerp(pixels, 1 - pixels, some(0.015))
    grain = draw.between(tuple(pixels.shape), -0.035, 0.035)
    return (pixels + some(0.3) * grain).clamp(0, 1)


def _to_bytes(pictures: list[NDArray[np.uint8]]) -> Tensor:
    return rearrange(torch.from_numpy(np.stack(pictures)), "n y x c -> n c y x")
