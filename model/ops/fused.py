"""What happens to each token's row between two matrix products: residuals, norms, modulation, activations, and how the next layer wants it.

The formulas are torch's. On a card each function is one kernel (model/ops/fused_triton.py), which rounds only where it writes.
"""

import shutil
from contextlib import suppress
from functools import cache
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.ops.fp8 import Fp8Linear, Rows, input_precision
from model.ops.operands import GatedResidual, Modulation

HOPPER = 9
"""The capability of the cards that have kernels of their own."""


def affine_modulation(norm: nn.LayerNorm, length: int) -> Modulation:
    """That of a norm with weights of its own, for so many tokens."""
    return Modulation(norm.weight[None, None], norm.bias[None, None], (length,), norm.eps, True)


def add_norm_modulate(
    x: Tensor, added: GatedResidual | None, shaping: Modulation, layer: nn.Module
) -> tuple[Tensor, Rows]:
    """The tokens [b, l, dim] with what is added, if anything is; the same normalised and shaped for a linear layer."""
    if has_kernels(x):
        from model.ops import fused_triton

        return fused_triton.add_norm_modulate(x, added, shaping, layer)
    x = x if added is None else add_residual(x, added)
    h = F.layer_norm(x, x.shape[-1:], eps=shaping.eps)
    return x, apply_modulation(h, shaping).to(input_precision(layer))


def add_residual(x: Tensor, added: GatedResidual) -> Tensor:
    """The tokens with what is added."""
    if added.gate is None:
        return x + added.rows
    if has_kernels(x):
        from model.ops import fused_triton

        return fused_triton.add_residual(x, added)
    return x + scale_by_segment(added.rows, added.gate, added.lengths)


def apply_gelu(x: Tensor, layer: nn.Module) -> Rows:
    """GELU (the tanh form) of rows [b, l, dim] for a linear layer."""
    if has_kernels(x):
        from model.ops import fused_triton

        return fused_triton.quantize_input(x, layer, gelu=True)
    return F.gelu(x, approximate="tanh")


def quantize_input(x: Tensor, layer: nn.Module) -> Rows:
    """Rows [b, l, dim] as a linear layer takes them."""
    if has_kernels(x) and isinstance(layer, Fp8Linear):
        from model.ops import fused_triton

        return fused_triton.quantize_input(x, layer, gelu=False)
    return x


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Rows over their root mean square, rounded before the weight is applied (the reference's order)."""
    if has_kernels(x):
        from model.ops import fused_triton

        return fused_triton.rms_norm(x, weight, eps)
    return F.rms_norm(x, x.shape[-1:], eps=eps) * weight


def rms_norm_pair(x: Tensor, first: Tensor, second: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """`rms_norm` of the first and of the second third of rows [b, l, 3 dim], with a weight [dim] each."""
    if has_kernels(x):
        from model.ops import fused_triton

        return fused_triton.rms_norm_pair(x, first, second, eps)
    a, b, _ = x.chunk(3, -1)
    return rms_norm(a, first, eps), rms_norm(b, second, eps)


def apply_modulation(h: Tensor, shaping: Modulation) -> Tensor:
    """Rows [b, l, dim] times 1 + scale (or scale), plus shift, segment by segment."""
    factor = shaping.scale if shaping.affine else 1 + shaping.scale
    if len(shaping.lengths) == 1:
        return h * factor + shaping.shift
    parts = zip(
        h.split(shaping.lengths, 1), factor.split(1, 1), shaping.shift.split(1, 1), strict=True
    )
    return torch.cat([part * much + far for part, much, far in parts], 1)


def scale_by_segment(y: Tensor, gate: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """Rows y [b, l, dim] times the gate of their segment."""
    if len(lengths) == 1:
        return gate * y
    parts = zip(y.split(lengths, 1), gate.split(1, 1), strict=True)
    return torch.cat([row * part for part, row in parts], 1)


def has_kernels(x: Tensor) -> bool:
    """Whether tokens [1, l, dim] or heads [1, l, head, d] lie where there are kernels for them: on a card, with a machine that can build them. Kernels have no gradients."""
    return x.is_cuda and fits_kernels(x) and not torch.is_grad_enabled() and can_build()


def fits_kernels(x: Tensor) -> bool:
    """Whether kernels take this shape: one sample, and of heads [1, l, head, d] a width that is a power of two, as Triton's ranges are."""
    return x.shape[0] == 1 and (x.ndim != 4 or x.shape[-1].bit_count() == 1)


@cache
def can_build() -> bool:
    """Whether Triton is here, and a C compiler for its launchers."""
    return find_spec("triton") is not None and any(map(shutil.which, ("cc", "gcc", "clang")))


@cache
def is_hopper(device: torch.device) -> bool:
    """Whether a device has warpgroups' products (wgmma), and Triton the language in which they are asked for one by one (Gluon, from 3.6 on) and what it builds with."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device)[0] != HOPPER:
        return False
    if not can_build():
        return False
    with suppress(ImportError):
        from triton.experimental.gluon.language.nvidia import hopper

        return hasattr(hopper, "warpgroup_mma")
    return False
