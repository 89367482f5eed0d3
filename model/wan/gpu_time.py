"""How long a card takes for a clip, by arithmetic: the operations of a clip against those of one that was timed. Without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.estimates import MachineSpeed, TimeEstimate

FILES = 47.1e9
"""Bytes of all weights."""
STARTING, ENDING, COMPILING = 7.0, 3.0, 11.0
"""Seconds for the prompt, the picture and the sound, after the last clip, and for compiling kernels; measured beside one H200 (docs/plan.md)."""
LAUNCHES, GRAPH_LAUNCHES, OTHERS = 318, 600, 45_000
"""What the host does for a layer of one pass, for a whole pass whose layers are a graph, and besides for a clip (decoding, sound, storing), counted in smallest pieces of work."""
JOINED_SHARE = 0.95
"""Of the denoising that MeasuredClip tells, what one card takes: fitted to 2.37 s a whole clip of eight bits at 704x384. That blocks go as one run of rows is .98 of it; the rest is what has become quicker since that was timed (docs/performance.md)."""
BESIDE_SLOWDOWN, REACHED_SHARE = 0.05, 0.95
"""What waits on the host comes beside the work: it slows it by so much of its own time on the link, and comes no faster than with so much of the link's rate.
Measured with 63 and 92 GB a clip at 53 GB/s: 2.44 and 2.46 s, where all on the card took 2.37 (docs/performance.md)."""


@dataclass(frozen=True)
class ClipWork:
    """What decides the work of a clip."""

    config: Mapping[str, Any]
    width: int
    height: int
    latents: int
    """Latents of a clip."""
    together: int
    """Latents of a block; 0: the whole clip at once, and its past with it."""
    evaluations: int
    """Passes through the transformer for each block."""
    fp8: bool = False
    parts: int = 1
    """Ranks that have a share of each block."""
    joined: bool = False
    """Whether blocks go through the layers as one run of rows (model/sampling/joined_blocks.py)."""
    graphed: bool = False
    """Whether all layers of a pass are asked for at once (model/sampling/layer_graphs.py)."""

    @property
    def blocks(self) -> int:
        """Blocks of a clip, each denoised together."""
        return self.latents // self.together if self.together else 1

    @property
    def passes(self) -> int:
        """Passes through the transformer for a clip."""
        return self.blocks * self.evaluations

    @property
    def launches(self) -> int:
        """What the host asks for in all passes of a clip, in smallest pieces of work."""
        return self.passes * (
            GRAPH_LAUNCHES if self.graphed else self.config["num_layers"] * LAUNCHES
        )

    @property
    def pixels(self) -> int:
        """Pixels of a clip, one frame counted a latent."""
        return self.width * self.height * self.latents

    @property
    def operations(self) -> float:
        """Multiplications and additions of one clip in the transformer on one of its ranks: products of weights, and attention."""
        config, tokens = self.config, self.width * self.height // 256
        past = 5 * tokens // 2
        asking = self.together * tokens if self.together else self.latents * tokens + past
        seen = 12 * tokens + past if self.together else asking
        dim, layers = config["dim"], config["num_layers"]
        weights = layers * (6 * dim**2 + 2 * dim * config["ffn_dim"])
        weights += len(config["audio_inject_layers"]) * 2 * dim**2
        attention = 4 * asking * dim * layers * (seen + config["text_len"])
        return self.passes * float(2 * asking * weights + attention) / self.parts


@dataclass(frozen=True)
class MeasuredClip:
    """One clip on one H200 (docs/performance.md)."""

    denoise: float = 3.43
    decode: float = 0.285
    beside: float = 1.0
    """How much of the decoding is paid for by the denoiser: they share the card."""
    fp8: float = 0.67
    """Of the denoiser's time, in eight-bit floats."""
    operations: float = 16 * 120.8e12
    """Of that clip, by `ClipWork.operations`."""
    pixels: int = 704 * 384 * 12
    pose: float = 1.0
    """Encoding its poses. Not timed: .6 of the decoder's operations, at the pace of diffusers' own decoder, whose layers the encoder has (docs/pose.md)."""


def estimate_seconds(
    shape: ClipWork,
    measured: MeasuredClip,
    speed: MachineSpeed,
    fetched: int,
    share: float = 1.0,
) -> TimeEstimate:
    """Seconds of loading and of a clip, `fetched` being the bytes a clip that come over from the host; `share`: so much of the denoising is this card's."""
    denoise = measured.denoise * shape.operations / measured.operations / speed.relative
    denoise *= share * (measured.fp8 if shape.fp8 else 1.0) * (JOINED_SHARE if shape.joined else 1)
    size = shape.pixels / measured.pixels / speed.relative
    decode, pose = measured.decode * size, measured.pose * size
    moving = fetched / speed.link
    waiting = max(BESIDE_SLOWDOWN * moving, moving / REACHED_SHARE - denoise)
    load = (
        speed.libraries + STARTING + FILES / speed.reading + (0.0 if speed.compiled else COMPILING)
    )
    asking = share * shape.launches + OTHERS
    return TimeEstimate(
        load, denoise + waiting, decode, measured.beside, speed.launch * asking, ENDING, pose
    )
