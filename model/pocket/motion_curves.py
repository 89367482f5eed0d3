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
from model.pocket.curve_layout import (
    CHANNELS,
    CURVES,
    EYES,
    FRAMES,
    HEAD,
    LAYOUT,
    MOUTH,
    RESTED,
    RESTED_COLUMNS,
    ZONES,
    list_zone_slots,
)

SLOW = ("dx", "dy", "tilt", "scale", "squint", "brow", "brow_slant", "smile")
BEFORE_TEETH = {"width": 0.5, "rounding": 0.5}
"""How much of the way from the picture's own to what is asked is left to a mouth whose picture shows its teeth. Further, what the picture has beside the lips is not covered: creases and corners stay on the cheeks."""
FADE = (1.0, 0.6, 0.25, 0.0)
"""How much of a step is taken back at each frame of a span. The last is left as it is: nothing is handed on from span to span."""


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
        (MOTION.index(curve), k, mean, spread)
        for zone in range(len(LAYOUT))
        for curve, k, mean, spread in list_zone_slots(zone)
    ]
    column, coefficient, mean, spread = (torch.tensor(x, device=device) for x in zip(*told, strict=True))  # fmt: skip
    return Slots(column, coefficient, mean, spread)


@cache
@torch.inference_mode(mode=False)
def zone_map(device: torch.device) -> Tensor:
    """ZONES, on a device."""
    return torch.tensor(ZONES, device=device)


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


def limit_mouth(curves: Tensor, own: Tensor, teeth: float) -> Tensor:
    """Curves [n, t, MOTION] of a mouth whose picture, where RESTED columns are `own` [n, RESTED], shows its teeth so plainly, 0 to 1: with 0 as they are. It opens and shuts as far as it is asked to."""
    if not teeth:
        return curves
    limited = curves.clone()
    for name, left in BEFORE_TEETH.items():
        column, rested = MOTION.index(name), own[:, None, RESTED.index(name)]
        away = curves[..., column] - rested
        limited[..., column] = rested + away * (1 - teeth * (1 - left))
    return limited


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
