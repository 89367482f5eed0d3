"""How Wan2.1's VAE is laid out: its names in the published file, its configuration from shapes, how far its decoder remembers. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from storage.errors import OtherWeights

Held = TypeVar("Held")

CACHED_FRAMES = 2
"""Frames that a causal convolution of kernel 3 looks back."""
FIRST_WEIGHT = "encoder.conv1.weight"
"""The published name of the layer that sees the frames."""
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


@dataclass(frozen=True)
class VAELayout:
    """What decides the shapes of all tensors of the file."""

    widths: tuple[int, ...]
    """Channels of each level, from the frames to the latents."""
    latent_channels: int
    residuals: int
    """Residual blocks of a level of the encoder; the decoder's levels have one more."""
    in_time: tuple[bool, ...]
    """Whether time is halved behind each level but the last."""
    channels: int = 3
    """Of a frame."""

    @property
    def frames_per_latent(self) -> int:
        """Frames of every latent but a stream's first, which has one."""
        return 2 ** sum(self.in_time)


def bare_names(state: Mapping[str, Held]) -> dict[str, Held]:
    """A VAE's tensors under bare names: whatever stands before `encoder` is taken off."""
    before = next(
        (name.removesuffix(FIRST_WEIGHT) for name in state if name.endswith(FIRST_WEIGHT)), ""
    )
    return {name.removeprefix(before): held for name, held in state.items()}


def read_layout(shapes: Mapping[str, Sequence[int]], source: object) -> VAELayout:
    """The layout of the VAE that has tensors of these shapes, by bare names. Raises OtherWeights."""
    try:
        widths, in_time, residuals = _encoder_levels(shapes)
        return VAELayout(
            tuple(widths),
            shapes["conv2.weight"][0],
            residuals // len(widths),
            tuple(in_time),
            shapes[FIRST_WEIGHT][1],
        )
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


def decoder_memory(layout: VAELayout) -> int:
    """Latent frames after which the decoder has forgotten an input: 38 for the published one.

    Walks back from the first frame of a latent: a causal convolution reaches two frames further, a doubling of time halves the position.
    A stream that starts this many latents early is bit for bit the unbroken one.
    """
    doublings = layout.in_time[::-1]
    block = CACHED_FRAMES * 2 * (layout.residuals + 1)
    frame = -CACHED_FRAMES  # the head's convolution
    for level in reversed(range(len(layout.widths))):
        if level < len(doublings) and doublings[level]:
            frame = frame // 2 - CACHED_FRAMES  # time_conv sees frames before they are doubled
        frame -= block
    # Two residual blocks in the middle, and the first convolution.
    return -(frame - CACHED_FRAMES * 4 - CACHED_FRAMES)
