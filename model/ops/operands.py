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
    """What a layer makes before its parts are added: its convolution [b, t, h, w, c], its bias [c], and what went around a block.

    Convolution and what went around lie each as they are, or in the phases [b, t, h/2 + 1, w/2 + 1, 4 c] that an upsampler leaves
    (wan_decoder.interleave_phases).
    """

    convolved: Tensor
    bias: Tensor
    around: Tensor | None = None

    def in_phases(self, part: Tensor | None) -> bool:
        """Whether a part, if there is one, lies in phases."""
        return part is not None and part.shape[-1] != len(self.bias)

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """[b, t, h, w, c] of the sum."""
        b, t, h, w, _ = self.convolved.shape
        if self.in_phases(self.convolved):
            h, w = 2 * (h - 1), 2 * (w - 1)
        return b, t, h, w, len(self.bias)
