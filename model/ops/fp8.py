"""Linear layers in eight-bit floats: weights once, activations as they come, a scale for each row of both (arXiv 2209.05433).

Twice the rate of bfloat16 on cards from Hopper and Ada on, and half the memory. On a CPU the same numbers, slowly.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from storage.errors import BadOption

FP8_DTYPE = torch.float8_e4m3fn
LARGEST = torch.finfo(FP8_DTYPE).max
SIDE_MULTIPLE = 16
"""Of both sides of a weight, or the card's kernels refuse it."""

LEAST_CAPABILITY = (8, 9)
"""The first cards that multiply eight-bit floats: Ada, and then Hopper."""


class Fp8Rows(NamedTuple):
    """Rows [..., d] as eight-bit floats, and their scales [..., 1] in float32."""

    codes: Tensor
    scales: Tensor


Rows = Tensor | Fp8Rows
"""Rows [..., d] as a linear layer takes them."""


class Fp8Linear(nn.Module):
    """A linear layer whose products are of eight-bit floats, summed in float32."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__()
        self.register_buffer("codes", torch.empty(outputs, inputs, dtype=FP8_DTYPE))
        self.register_buffer("scales", torch.empty(outputs, 1))
        self.bias: Any = nn.Parameter(torch.empty(outputs)) if bias else None

    def take(self, weight: Tensor, device: torch.device) -> None:
        """Take a layer's weight [out, in], quantised where it is and kept on the device."""
        self.codes, self.scales = (part.to(device) for part in quantize_rows(weight))

    def forward(self, x: Tensor | Fp8Rows) -> Tensor:
        """[..., in] → [..., out], in the precision of the bias, or of x."""
        codes, scales = x if isinstance(x, Fp8Rows) else quantize_rows(x)
        kind = x.dtype if isinstance(x, Tensor) else self.bias.dtype
        y = torch._scaled_mm(
            codes.view(-1, codes.shape[-1]),
            self.codes.t(),
            scales.view(-1, 1),
            self.scales.t(),
            bias=self.bias,
            out_dtype=kind,
            # Sums of 22 bits: a tenth quicker, and what it costs is lost in the rounding of the factors (docs/LOG.md).
            use_fast_accum=codes.is_cuda,
        )
        return y.view(*codes.shape[:-1], -1)


def quantize_rows(rows: Tensor) -> Fp8Rows:
    """Rows [..., d] as eight-bit floats."""
    wide = rows.float()
    scales = wide.abs().amax(-1, keepdim=True).clamp_min(1e-12) / LARGEST
    return Fp8Rows((wide / scales).clamp(-LARGEST, LARGEST).to(FP8_DTYPE).contiguous(), scales)


def require_fp8_gpu(device: torch.device) -> None:
    """Raise BadOption where a card multiplies no eight-bit floats."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) < LEAST_CAPABILITY:
        raise fp8_refusal(torch.cuda.get_device_name(device))


def fp8_refusal(card: str) -> BadOption:
    """What is said of such a card."""
    return BadOption("--fp8", f"on {card}", "it has no eight-bit floats; leave it out")


def input_precision(layer: Any) -> torch.dtype:
    """What a linear layer takes."""
    return layer.bias.dtype if isinstance(layer, Fp8Linear) else layer.weight.dtype


def replace_linears(part: nn.Module) -> None:
    """Let every linear layer inside, whose sides a card's kernels take, become one of these, yet without numbers."""
    for module in list(part.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, nn.Linear) and not any(
                side % SIDE_MULTIPLE for side in layer.weight.shape
            ):
                with torch.device(layer.weight.device):
                    held = Fp8Linear(
                        layer.in_features, layer.out_features, bias=layer.bias is not None
                    )
                setattr(module, name, held)


def quantize_linears(part: nn.Module) -> None:
    """Let linear layers become Fp8Linear, as replace_linears does, with the numbers that they have."""
    before = dict(part.named_modules())
    replace_linears(part)
    for name, layer in part.named_modules():
        if isinstance(layer, Fp8Linear):
            layer.take(before[name].weight.detach(), before[name].weight.device)
            layer.bias = before[name].bias
