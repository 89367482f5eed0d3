"""diffusers' AutoencoderKLWan, what ours is measured by: with random weights, and the same weights in ours."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from model.vae.wan_layout import read_layout
from model.vae.wan_vae import WanVAE, build_modules
from model.weights.state_file import load_exactly

WAN = {"dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "temperal_downsample": [False, True, True]}
SHALLOW = {"dim_mult": [1, 2], "num_res_blocks": 1, "temperal_downsample": [True]}
PUBLISHED_PARTS = {
    "quant_conv": "conv1",
    "post_quant_conv": "conv2",
    "conv_in": "conv1",
    "norm_out": "head.0",
    "conv_out": "head.2",
    "norm1": "residual.0",
    "conv1": "residual.2",
    "norm2": "residual.3",
    "conv2": "residual.6",
    "conv_shortcut": "shortcut",
    "down_blocks": "downsamples",
}
"""A part of a name in AutoencoderKLWan → the published one; what is not here is called the same, or is numbered otherwise."""


def make_stock(seed: int = 0, dtype: torch.dtype = torch.float32, **config: Any) -> Any:
    """One of four channels, unless `config` says otherwise; biases and norms are drawn, too."""
    from diffusers import AutoencoderKLWan

    torch.manual_seed(seed)
    module = AutoencoderKLWan(**{"base_dim": 4, "z_dim": 4} | WAN | config).eval()
    for weight in module.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
        weight.data = weight.data.to(dtype)
    return module


def copy_stock(module: Any) -> WanVAE:
    """Ours with a copy of its weights, and its statistics."""
    state = {name: held.clone() for name, held in to_published_names(module.state_dict()).items()}
    modules = build_modules(
        read_layout({name: held.shape for name, held in state.items()}, "stock")
    )
    load_exactly(modules, state, "stock")
    return WanVAE(modules, (module.config.latents_mean, module.config.latents_std))


def to_published_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of an AutoencoderKLWan under the names of the published file."""
    level = "decoder.up_blocks.0.resnets."
    residuals = len({name.split(".")[4] for name in state if name.startswith(level)})
    return {published_name(name, residuals): held for name, held in state.items()}


def published_name(name: str, residuals: int) -> str:
    """What the published file calls a tensor of AutoencoderKLWan whose decoder has `residuals` residual blocks a level.

    The encoder's layers are numbered alike in both; the decoder's are numbered level by level here, and throughout there.
    """

    def through_middle(found: re.Match[str]) -> str:
        return f"middle.{2 * int(found[2]) + (found[1] == 'attentions')}"

    def through_levels(found: re.Match[str]) -> str:
        return f"upsamples.{int(found[1]) * (residuals + 1) + int(found[2] or residuals)}"

    name = re.sub(r"mid_block\.(resnets|attentions)\.(\d+)", through_middle, name)
    name = re.sub(r"up_blocks\.(\d+)\.(?:resnets\.(\d+)|upsamplers\.0)", through_levels, name)
    return ".".join(PUBLISHED_PARTS.get(part, part) for part in name.split("."))
