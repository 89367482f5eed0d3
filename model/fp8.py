"""Linear layers in eight-bit floats: weights once, activations as they come, a scale for each row of both (arXiv 2209.05433).

Twice the rate of bfloat16 on cards from Hopper and Ada on, and half the memory. On a CPU the same numbers, slowly.
"""

from typing import Any

import torch
from torch import Tensor, nn

CODE = torch.float8_e4m3fn
LARGEST = torch.finfo(CODE).max
MULTIPLE = 16
"""Of both sides of a weight, or the card's kernels refuse it."""


class Fp8Linear(nn.Module):
    """A linear layer whose products are of eight-bit floats, summed in float32."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__()
        self.register_buffer("codes", torch.empty(outputs, inputs, dtype=CODE))
        self.register_buffer("scales", torch.empty(outputs, 1))
        self.bias: Any = nn.Parameter(torch.empty(outputs)) if bias else None

    def take(self, weight: Tensor, device: torch.device) -> None:
        """Take a layer's weight [out, in], quantised where it is and kept on the device."""
        self.codes, self.scales = (part.to(device) for part in quantise(weight))

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] → [..., out], in the precision of x."""
        codes, scales = quantise(x.reshape(-1, x.shape[-1]))
        weight, spread = self.codes, self.scales
        y = torch._scaled_mm(
            codes, weight.t(), scales, spread.t(), bias=self.bias, out_dtype=x.dtype
        )
        return y.view(*x.shape[:-1], -1)


def quantise(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [l, d] as eight-bit floats and their scales [l, 1] in float32."""
    wide = rows.float()
    scales = wide.abs().amax(-1, keepdim=True).clamp_min(1e-12) / LARGEST
    return (wide / scales).clamp(-LARGEST, LARGEST).to(CODE), scales


def replace_linears(part: nn.Module) -> None:
    """Let every linear layer inside, whose sides a card's kernels take, become one of these, yet without numbers."""
    for module in list(part.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, nn.Linear) and not any(
                side % MULTIPLE for side in layer.weight.shape
            ):
                with torch.device(layer.weight.device):
                    held = Fp8Linear(
                        layer.in_features, layer.out_features, bias=layer.bias is not None
                    )
                setattr(module, name, held)
