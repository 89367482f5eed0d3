"""Pocket's decoder: motion latents into frames of the film's own size and sharpness, clip after clip."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from model.avatar import Byte, Float, Named, Options
from model.pocket.canvas import SIZE, Region, boxes_on_canvas, choose_region
from model.pocket.curve_layout import FRAMES
from model.pocket.motion_curves import join_spans, limit_mouth
from model.pocket.warping_network import (
    FLOW_PIXELS,
    MotionFields,
    WarpingNetwork,
    box_planes,
    identity_grid,
)

FADE = 0.12
"""Share of a side in which motion ends, where the film goes on beyond the canvas."""
OVERSAMPLED = 2
"""A picture that is sampled between its pixels loses sharpness; enlarged first, it loses little."""
GREY = 12 / 127.5
"""How far the colours of a pixel of a black and white picture lie apart, in -1..1; a JPEG of one is not wholly grey."""
LUMA = 0.299, 0.587, 0.114
"""What red, green and blue give of the grey that an eye sees."""


class FilmPicture:
    """A picture of the film's size, and what is needed to move it."""

    def __init__(self, picture: Byte, region: Region) -> None:
        self.still = rearrange(to_floats(picture), "y x c -> c y x")
        self.region, self.size = region, picture.shape[:2]
        height, width = self.size
        top, left = max(0, region.top), max(0, region.left)
        self.rows = slice(top, min(height, region.top + region.height))
        self.columns = slice(left, min(width, region.left + region.width))
        self.grid = identity_grid(height, width, "cpu")[self.rows, self.columns]
        pixels = FLOW_PIXELS * region.width / SIZE
        self.unit = torch.tensor([2 * pixels / width, 2 * pixels / height])
        self.fade = None if region.whole else draw_fade(region.height, region.width)
        self.grey = bool(self.still.max(0).values.sub(self.still.min(0).values).max() <= GREY)
        self._share: Tensor | None = None

    def share(self, share: Tensor) -> None:
        """Move from now on only what is this face's: so much of its motion is taken at each pixel of the film [y, x]."""
        self._share = share[self.rows, self.columns]

    @cached_property
    def source(self) -> Tensor:
        """The picture enlarged [1, 3, Y, X], out of which frames are sampled; nothing that only looks at the canvas needs it."""
        bigger = [OVERSAMPLED * side for side in self.size]
        source = F.interpolate(self.still[None], bigger, mode="bicubic", align_corners=False)
        # Twice as fast to sample: the colours of a pixel lie together.
        return source.clamp_(-1, 1).contiguous(memory_format=torch.channels_last)

    def canvas_picture(self) -> Tensor:
        """The region [1, 3, SIZE, SIZE] on the canvas, the film's edges continued."""
        region, (height, width) = self.region, self.size
        around = (
            max(0, -region.left), max(0, region.left + region.width - width),
            max(0, -region.top), max(0, region.top + region.height - height),
        )  # fmt: skip
        part = F.pad(self.still[None, :, self.rows, self.columns], around, mode="replicate")
        if part.shape[-2:] == (SIZE, SIZE):
            return part
        return F.interpolate(part, (SIZE, SIZE), mode="bilinear", antialias=True)

    def move(self, fields: MotionFields) -> Tensor:
        """Frames [t, 3, y, x] in -1..1 of the film's size."""
        flow, paint, mask = (self._to_film(x) for x in fields)
        grid = torch.addcmul(self.grid, rearrange(flow, "t c y x -> t y x c"), self.unit)
        source = self.source.expand(len(flow), -1, -1, -1)
        moved = F.grid_sample(source, grid, padding_mode="border", align_corners=False)
        moved = torch.lerp(moved, drop_colour(paint) if self.grey else paint, mask)
        if moved.shape[-2:] == self.size:
            return moved
        frames = self.still.repeat(len(flow), 1, 1, 1)
        frames[:, :, self.rows, self.columns] = moved
        return frames

    def _to_film(self, field: Tensor) -> Tensor:
        """A field of the canvas where the film is."""
        size = (self.region.height, self.region.width)
        if field.shape[-2:] != size:
            smaller = size[0] < field.shape[-2]
            field = F.interpolate(field, size, mode="bilinear", antialias=smaller)
        if self.fade is not None and field.shape[1] != 3:
            field = field * self.fade
        top, left = self.rows.start - self.region.top, self.columns.start - self.region.left
        field = field[..., top : top + self.grid.shape[0], left : left + self.grid.shape[1]]
        return field if self._share is None or field.shape[1] == 3 else field * self._share


class PocketDecoder:
    """Latents into frames, of which each depends on its own latent and on the one before. What the film begins from is the picture, standing still."""

    def __init__(self, network: WarpingNetwork, inputs: Named, options: Options) -> None:
        self._network, self._options = network, options
        self.picture, planes = place_picture(inputs, options)
        kept = network.grow.weight.dtype
        with torch.inference_mode():
            self._features = network.look(self.picture.canvas_picture().to(kept), planes.to(kept))
        self._still = self._before = to_batch(inputs["still"])
        # A run that was begun before teeth were looked for has none.
        self._teeth = float(inputs["teeth"][0]) if "teeth" in inputs else 0.0
        self._clip = 0

    @property
    def next_clip(self) -> int:
        """The clip that `decode` expects next."""
        return self._clip

    # Without it, float32 frames are not copied below, and what inference made is not written over outside of it.
    @torch.inference_mode()
    def decode(self, latents: Float) -> Byte:
        """Decode the next clip: [c, t, h, w] → [frame, y, x, rgb]."""
        size = (self._options.height, self._options.width)
        made = torch.empty((self._options.clip_frames, *size, 3), dtype=torch.uint8)
        for i, frames in enumerate(self.move(latents)):
            pixels = frames.add_(1).mul_(127.5).round_().clamp_(0, 255)
            made[i * FRAMES : (i + 1) * FRAMES] = rearrange(pixels, "t c y x -> t y x c")
        return made.numpy()

    def move(self, latents: Float) -> Iterator[Tensor]:
        """Frames [FRAMES, 3, y, x] in -1..1 of the next clip, one latent after the other; all of them are to be taken."""
        new = to_batch(latents)
        curves = join_spans(self._before, new)
        curves = limit_mouth(curves, self._features.rest, self._teeth)
        for told in curves.split(FRAMES, 1):
            yield self.picture.move(self._network.fields(self._features, told))
        self._before, self._clip = new[:, :, -1:], self._clip + 1

    def motion(self) -> Float:
        """Raise NotImplementedError: a clip takes nothing from the decoded one."""
        raise NotImplementedError

    def seek(self, clip: int, preceding: Float) -> None:
        """Stand before `clip`, given the latents before it."""
        self._before = torch.cat([self._still, to_batch(preceding)], 2)[:, :, -1:]
        self._clip = clip


def place_picture(inputs: Named, options: Options) -> tuple[FilmPicture, Tensor]:
    """The film's picture, and planes [1, 3, SIZE, SIZE] of where its face is on the canvas."""
    boxes = inputs["boxes"].tolist()
    region = choose_region(options, boxes)
    planes = box_planes(torch.tensor([boxes_on_canvas(boxes, region)]), SIZE, SIZE)
    return FilmPicture(np.asarray(inputs["picture"], np.uint8), region), planes


def draw_fade(height: int, width: int) -> Tensor:
    """1 within, falling smoothly to 0 at the edges [height, width]."""
    sides = []
    for side in (height, width):
        place = (torch.arange(side) + 0.5) / side
        edge = (torch.minimum(place, 1 - place) / FADE).clamp(max=1)
        sides.append(edge * edge * (3 - 2 * edge))
    return sides[0][:, None] * sides[1]


def drop_colour(paint: Tensor) -> Tensor:
    """Paint [t, 3, y, x] without its colour: a tongue is grey in a black and white picture."""
    red, green, blue = LUMA
    grey = red * paint[:, :1] + green * paint[:, 1:2] + blue * paint[:, 2:]
    return grey.expand_as(paint)


def to_floats(picture: Byte) -> Tensor:
    """Bytes as numbers in -1..1."""
    return torch.from_numpy(picture.copy()).float() / 127.5 - 1


def to_batch(array: np.ndarray) -> Tensor:
    """An array as a batch of one."""
    return torch.from_numpy(np.ascontiguousarray(array))[None].float()
