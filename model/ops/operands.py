"""What stands between two matrix products or convolutions, before it is computed: values that formulas and kernels take alike."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Modulation:
    """What follows a norm: rows [b, segment, dim], one for each run of tokens of these lengths, times 1 + scale, plus shift.

    Where it is `affine_modulation`, the scale is the factor itself.
    """

    scale: Tensor
    shift: Tensor
    lengths: tuple[int, ...]
    eps: float
    affine: bool = False


@dataclass(frozen=True)
class GatedResidual:
    """What a layer adds to the tokens [b, l, dim], times the gate of their segment, rows [b, segment, dim] or none."""

    rows: Tensor
    gate: Tensor | None
    lengths: tuple[int, ...]


class PendingSum(NamedTuple):
    """What a layer makes before its parts are added: its convolution [b, t, h, w, c], its bias [c], and what went around a block."""

    convolved: Tensor
    bias: Tensor
    around: Tensor | None = None
