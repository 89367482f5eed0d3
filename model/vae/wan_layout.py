"""How Wan2.1's VAE is laid out: its names in the published file, its configuration from shapes, how far its decoder remembers. No torch."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from storage.errors import OtherWeights

Held = TypeVar("Held")

CACHED_FRAMES = 2
"""Frames that a causal convolution of kernel 3 looks back."""
FIRST_WEIGHT = "encoder.conv1.weight"
"""The published name of the layer that sees the frames."""
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

STATISTICS = (
    (
        -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
        0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
    ),
    (
        2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
        3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
    ),
)  # fmt: skip
"""Mean and spread of each channel of the published latents; they stand in Wan's code, not in its file."""


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


def bare_names(state: Mapping[str, Held]) -> dict[str, Held]:
    """A VAE's tensors under bare names: whatever stands before `encoder` is taken off."""
    before = next(
        (name.removesuffix(FIRST_WEIGHT) for name in state if name.endswith(FIRST_WEIGHT)), ""
    )
    return {name.removeprefix(before): held for name, held in state.items()}


def read_configuration(shapes: Mapping[str, Sequence[int]], source: object) -> dict[str, Any]:
    """The configuration of the AutoencoderKLWan that has tensors of these shapes, by bare published names. Raises OtherWeights."""
    try:
        base, channels = shapes[FIRST_WEIGHT][:2]
        widths, in_time, residuals = _encoder_levels(shapes)
        return {
            "base_dim": base,
            "z_dim": shapes["conv2.weight"][0],
            "dim_mult": [width // base for width in widths],
            "num_res_blocks": residuals // len(widths),
            "temperal_downsample": in_time,
            "in_channels": channels,
            "out_channels": shapes["decoder.head.2.weight"][0],
            "scale_factor_temporal": 2 ** sum(in_time),
            "scale_factor_spatial": 2 ** len(in_time),
        }
    except KeyError as lost:
        raise OtherWeights(source, f"{lost.args[0]} is missing") from lost
    except (IndexError, ValueError, ZeroDivisionError) as odd:
        raise OtherWeights(source, "its layers are not those of Wan2.1's VAE") from odd


def _encoder_levels(shapes: Mapping[str, Sequence[int]]) -> tuple[list[int], list[bool], int]:
    """The width of each level, whether time is halved after it (but the last), and residual blocks in all."""
    under = "encoder.downsamples."
    layers = len({int(name.split(".")[2]) for name in shapes if name.startswith(under)})
    widths, in_time, residuals = [], [], 0
    width = shapes[FIRST_WEIGHT][0]
    for layer in range(layers):
        if f"{under}{layer}.resample.1.weight" in shapes:
            widths.append(width)
            in_time.append(f"{under}{layer}.time_conv.weight" in shapes)
        else:
            width = shapes[f"{under}{layer}.residual.2.weight"][0]
            residuals += 1
    return [*widths, width], in_time, residuals


def decoder_memory(config: Mapping[str, Any]) -> int:
    """Latent frames after which the decoder has forgotten an input, from the layers of its configuration: 38 for the published one.

    Walks back from the first frame of a latent: a causal convolution reaches two frames further, a doubling of time halves the position.
    A stream that starts this many latents early is bit for bit the unbroken one.
    """
    doublings = list(config["temperal_downsample"])[::-1]
    block = CACHED_FRAMES * 2 * (config["num_res_blocks"] + 1)
    frame = -CACHED_FRAMES  # conv_out
    for level in reversed(range(len(config["dim_mult"]))):
        if level < len(doublings) and doublings[level]:
            frame = frame // 2 - CACHED_FRAMES  # time_conv sees frames before they are doubled
        frame -= block
    return -(
        frame - CACHED_FRAMES * 4 - CACHED_FRAMES
    )  # two residual blocks in the middle, conv_in
