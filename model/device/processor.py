"""What a processor cannot do right, and is not asked to."""

import os
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""The variables of the environment that say which instructions oneDNN may use at most."""
NARROW = (torch.bfloat16, torch.float16)
WIDENED = "convolutions in one and three dimensions in float32"
"""What is told of a machine whose AMX is used."""


def uses_amx() -> bool:
    """Whether oneDNN uses AMX here: it has it, and no limit in the environment is below it."""
    limit = next((os.environ[name] for name in LIMITS if name in os.environ), "ALL").upper()
    return torch.cpu._is_amx_tile_supported() and ("AMX" in limit or limit in ("ALL", "DEFAULT"))


def widen_convolutions(model: nn.Module) -> None:
    """Let convolutions in one and three dimensions compute in float32 on a processor with AMX, whatever they are kept in.

    oneDNN's are wrong there with few input channels or with strides (docs/adr/0018-asked-of-the-machine.md). They are a hundredth of the work; those in
    two dimensions are right, and six times as fast as without AMX.
    """
    if not uses_amx():
        return
    for layer in model.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv3d):
            layer.forward = partial(_convolve_float32, layer)  # type: ignore[method-assign]


def _convolve_float32(layer: Any, x: Tensor) -> Tensor:
    if x.device.type != "cpu" or x.dtype not in NARROW:
        return layer._conv_forward(x, layer.weight, layer.bias)
    bias = None if layer.bias is None else layer.bias.float()
    return layer._conv_forward(x.float(), layer.weight.float(), bias).to(x.dtype)
