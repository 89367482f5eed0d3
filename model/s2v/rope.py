"""Rotary positions of video tokens: time, height and width, from explicit lists of places.

Wan2.1 (arXiv 2503.20314), section 4.2: the head's complex pairs are split into time, height and width parts, and neighbouring channels form a pair.
"""

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from model.ops.fused import has_kernels


@dataclass(frozen=True)
class Rope:
    """The sizes of a rotary embedding."""

    head_dim: int
    theta: float

    @property
    def pairs(self) -> tuple[int, int, int]:
        """Complex pairs for time, height, width: 22, 21, 21 of 64."""
        sixth = self.head_dim // 6
        return self.head_dim // 2 - 2 * sixth, sixth, sixth

    def factors(self, places: Tensor) -> Tensor:
        """Cosines and sines [..., head_dim/2, 2] of places [..., (time, height, width)]; negative times rotate backwards.

        Angles are computed in float64 for each place: there is no table that could end (the reference's stops after two hours).
        """
        angles = []
        for axis, pairs in enumerate(self.pairs):
            exponent = torch.arange(pairs, dtype=torch.float64, device=places.device) / pairs
            angles.append(places[..., axis, None].double() * self.theta**-exponent)
        angle = torch.cat(angles, -1)
        return torch.stack([angle.cos(), angle.sin()], -1).float()


def grid_positions(times: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Places [(t h w), 3] of a video's tokens from the places along each axis."""
    t, h, w = len(times), len(rows), len(columns)
    return torch.stack(
        [
            repeat(times, "t -> (t h w)", h=h, w=w),
            repeat(rows, "h -> (t h w)", t=t, w=w),
            repeat(columns, "w -> (t h w)", t=t, h=h),
        ],
        -1,
    )


def resample_positions(size: int, count: int) -> Tensor:
    """`count` whole places spread over 0..size-1, truncated as the reference does (0, 2, 4, …, 40, 43 for 44 → 22)."""
    return torch.from_numpy(np.linspace(0, size - 1, count).astype(np.int64))


def apply_rope(x: Tensor, factors: Tensor) -> Tensor:
    """Heads [b, l, head, d] turned by factors [(b) l d/2 2], computed in float32; neighbouring channels are a pair."""
    if has_kernels(x):
        from model.ops import fused_triton

        return fused_triton.apply_rope(x, factors)
    even, odd = rearrange(x.float(), "... (d two) -> two ... d", two=2)
    cos, sin = factors.unsqueeze(-3).unbind(-1)
    turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1)
    return turned.flatten(-2).type_as(x)
