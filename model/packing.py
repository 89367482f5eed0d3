"""Keys and values in eight bits: whole numbers, and one scale for each row of a head.

Of normal numbers, rounding errs by .7 % of their spread so; the eight-bit floats of a card err by 2.5 % (`pytest tests/model/test_packing.py`).
"""

from typing import NamedTuple

import torch
from torch import Tensor

LARGEST = 127


class Packed(NamedTuple):
    """Numbers [..., d]: as they are, without scales, or as int8 with scales [..., 1]."""

    codes: Tensor
    scales: Tensor | None

    @property
    def as_slot(self) -> "Packed":
        """As the only one of a row of them [1, ..., d]."""
        return Packed(self.codes[None], None if self.scales is None else self.scales[None])


def pack(x: Tensor, *, eight: bool) -> Packed:
    """Numbers [..., d], in eight bits or as they are."""
    if not eight:
        return Packed(x, None)
    wide = x.float()
    # Rows of zeros, before there is a film, have no scale.
    scales = wide.abs().amax(-1, keepdim=True).clamp_min(1e-20) / LARGEST
    return Packed((wide / scales).round().to(torch.int8), scales)


def unpack(packed: Packed, dtype: torch.dtype) -> Tensor:
    """The numbers again."""
    codes, scales = packed
    return codes.to(dtype) if scales is None else (codes.float() * scales).to(dtype)
