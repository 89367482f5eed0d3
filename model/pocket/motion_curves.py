"""Pocket's latents: the motion curves of four frames, laid on a schematic face of 8 × 8.

Each of MOTION's curves is cut into spans of four frames and told by its cosine transform. Three zones of the schematic face have 16 numbers each: one channel
is one coefficient of one curve, the same on every pixel of its zone, so that errors of single pixels are averaged away. Nothing of a picture is in
a latent: what a face looks like comes from the picture alone, and cannot drift.

RELATIVE columns are differences from the picture (a presenter who smiles there goes on smiling at 0); RESTED ones are absolute, and the picture's own are
estimated (model.pocket.warping_network).
"""

import math
from functools import cache
from typing import NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor

from model.motion_columns import MOTION, MOTION_COLUMNS

FRAMES = 4
"""Frames of one latent."""
CHANNELS, SIDE = 16, 8
HEAD, EYES, MOUTH = range(3)
LAYOUT: tuple[dict[str, int], ...] = (
    {"dx": 4, "dy": 4, "tilt": 4, "scale": 4},
    {"blink": 4, "gaze_x": 3, "gaze_y": 3, "squint": 2, "brow": 2, "brow_slant": 2},
    {"smile": 4, "aperture": 4, "width": 4, "rounding": 4},
)
"""How many coefficients of which curves each zone has: the slowest ones."""
RESTED = ("blink", "gaze_x", "gaze_y", "aperture", "width", "rounding")
RELATIVE = tuple(name for name in MOTION if name not in RESTED)
SLOW = ("dx", "dy", "tilt", "scale", "squint", "brow", "brow_slant", "smile")
FADE = (1.0, 0.6, 0.25, 0.0)
"""How much of a step is taken back at each frame of a span. The last is left as it is: nothing is handed on from span to span."""
RESTED_COLUMNS = tuple(MOTION.index(name) for name in RESTED)


class Curve(NamedTuple):
    """What a curve is like in training: its mean, the spread of each coefficient (a fortieth of the first at least), and what a face can do."""

    mean: float
    spread: tuple[float, float, float, float]
    lowest: float
    highest: float


# `python -m model.pocket.training.curve_clips --sound FILE` measures means and spreads; other numbers make other latents, and want other weights.
CURVES = {
    "dx": Curve(0.0, (0.046, 0.0081, 0.0016, 0.0012), -0.3, 0.3),
    "dy": Curve(0.005, (0.038, 0.0067, 0.0012, 0.001), -0.25, 0.25),
    "tilt": Curve(0.0, (0.044, 0.0018, 0.0011, 0.0011), -0.3, 0.3),
    "scale": Curve(0.0, (0.0155, 0.0004, 0.0004, 0.0004), -0.1, 0.1),
    "blink": Curve(0.062, (0.36, 0.216, 0.09, 0.031), 0.0, 1.0),
    "squint": Curve(0.0, (0.42, 0.0105, 0.0105, 0.0105), -1.0, 1.0),
    "gaze_x": Curve(0.0, (0.5, 0.0125, 0.0125, 0.0125), -1.2, 1.2),
    "gaze_y": Curve(0.0, (0.41, 0.0103, 0.0103, 0.0103), -1.2, 1.2),
    "brow": Curve(0.137, (0.5, 0.02, 0.0125, 0.0125), -1.3, 1.6),
    "brow_slant": Curve(0.0, (0.5, 0.0125, 0.0125, 0.0125), -1.3, 1.3),
    "smile": Curve(0.0, (0.5, 0.0125, 0.0125, 0.0125), -1.2, 1.2),
    "aperture": Curve(0.225, (0.4, 0.23, 0.121, 0.044), 0.0, 1.0),
    "width": Curve(0.523, (0.266, 0.143, 0.067, 0.023), 0.0, 1.0),
    "rounding": Curve(0.123, (0.418, 0.226, 0.109, 0.0375), 0.0, 1.0),
}


class Slots(NamedTuple):
    """For each of the zones' channels [3 · CHANNELS]: the column and the coefficient that it tells, and their mean and spread."""

    column: Tensor
    coefficient: Tensor
    mean: Tensor
    spread: Tensor


# What is made in inference mode could not be used where gradients are wanted.
@cache
@torch.inference_mode(mode=False)
def list_slots(device: torch.device) -> Slots:
    """What each channel of each zone says, on a device."""
    told = [
        (MOTION.index(name), k, 2 * CURVES[name].mean * (k == 0), CURVES[name].spread[k])
        for zone in LAYOUT
        for name, kept in zone.items()
        for k in range(kept)
    ]
    column, coefficient, mean, spread = (torch.tensor(x, device=device) for x in zip(*told, strict=True))  # fmt: skip
    return Slots(column, coefficient, mean, spread)


@cache
@torch.inference_mode(mode=False)
def zone_map(device: torch.device) -> Tensor:
    """The zone of each pixel of the schematic face [SIDE, SIDE]; each token of 2 × 2 lies in one."""
    zones = torch.full((SIDE, SIDE), HEAD, device=device)
    zones[2:4, 2:6], zones[4:, 2:6] = EYES, MOUTH
    return zones


@cache
@torch.inference_mode(mode=False)
def cosines(device: torch.device) -> Tensor:
    """The orthonormal cosine transform (DCT-II) [coefficient, frame]."""
    k, frame = torch.arange(FRAMES)[:, None], torch.arange(FRAMES)
    waves = torch.cos(math.pi / FRAMES * (frame + 0.5) * k) * math.sqrt(2 / FRAMES)
    waves[0] *= math.sqrt(0.5)
    return waves.to(device)


def encode_curves(curves: Tensor) -> Tensor:
    """Latents [n, CHANNELS, k, SIDE, SIDE], of about zero mean and unit spread, of curves [n, 4k, MOTION]."""
    slots = list_slots(curves.device)
    spans = rearrange(curves, "n (k f) m -> n k m f", f=FRAMES)
    told = (spans @ cosines(curves.device).T)[:, :, slots.column, slots.coefficient]
    told = rearrange((told - slots.mean) / slots.spread, "n k (z c) -> n c k z", c=CHANNELS)
    return told[..., zone_map(curves.device)]


def read_curves(latents: Tensor) -> Tensor:
    """Curves [n, 4k, MOTION] of latents [n, CHANNELS, k, SIDE, SIDE], whatever they come to."""
    return from_coefficients(latents, list_slots(latents.device).mean)


def read_differences(latents: Tensor) -> Tensor:
    """What a difference of latents [n, CHANNELS, k, SIDE, SIDE] is in curves [n, 4k, MOTION]."""
    return from_coefficients(latents, None)


def decode_curves(latents: Tensor) -> Tensor:
    """Curves [n, 4k, MOTION] of latents [n, CHANNELS, k, SIDE, SIDE], within what a face can do."""
    lowest, highest = (
        torch.tensor([getattr(CURVES[name], end) for name in MOTION], device=latents.device)
        for end in ("lowest", "highest")
    )
    return read_curves(latents).clamp(lowest, highest)


def join_spans(before: Tensor, latents: Tensor) -> Tensor:
    """Curves [n, 4k, MOTION], as `decode_curves` has them, of latents that follow another one [n, CHANNELS, 1, SIDE, SIDE]: SLOW ones go on from it without a step.

    Each latent is a little wrong by itself, which a head shows as a jerk every four frames. What a span is off by at its first frame is faded out by its last, so
    that a span depends on the one before it and on no other. Quick curves are left alone: in them a step may be right.
    """
    whole = decode_curves(torch.cat([before, latents], 2))
    spans = rearrange(whole, "n (k f) m -> n k f m", f=FRAMES)
    last, new = spans[:, :-1], spans[:, 1:]
    pace = 0.5 * ((last[:, :, 3] - last[:, :, 2]) + (new[:, :, 1] - new[:, :, 0]))
    slow = torch.tensor([float(name in SLOW) for name in MOTION], device=latents.device)
    step = slow * (new[:, :, 0] - last[:, :, 3] - pace)
    fade = torch.tensor(FADE, device=latents.device)[:, None]
    return rearrange(new - fade * step[:, :, None], "n k f m -> n (k f) m")


def from_coefficients(latents: Tensor, mean: Tensor | None) -> Tensor:
    """Curves out of the means of the zones; without `mean`, which each coefficient begins at, of a difference."""
    slots, zones = list_slots(latents.device), zone_map(latents.device)
    share = torch.stack([(zones == zone) / (zones == zone).sum() for zone in (HEAD, EYES, MOUTH)])
    told = torch.einsum("nckhw,zhw->nkzc", latents.float(), share.float())
    told = told.flatten(2) * slots.spread + (0 if mean is None else mean)
    whole = told.new_zeros(*told.shape[:2], MOTION_COLUMNS, FRAMES)
    whole[:, :, slots.column, slots.coefficient] = told
    return rearrange(whole @ cosines(latents.device), "n k m f -> n (k f) m")


def stand_still(rest: Tensor) -> Tensor:
    """The latent [n, CHANNELS, 1, SIDE, SIDE] of pictures that stand still, whose RESTED columns are `rest` [n, RESTED]."""
    curves = rest.new_zeros(len(rest), MOTION_COLUMNS)
    curves[:, RESTED_COLUMNS] = rest
    return encode_curves(repeat(curves, "n m -> n f m", f=FRAMES))
