"""How long a card takes for a clip, by arithmetic: the operations of a clip against those of one that was timed. Without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.avatar import Labour, Speed

FILES = 47.1e9
"""Bytes of all weights."""
READING = 1.48e9
"""Bytes a second from a disk onto a card, measured on one H200 (docs/models.md)."""
OVERLAP = 0.35
"""Of the link's rate, what parts that wait on the host come over with: 705 GB a clip in 38 s, at 53 GB/s (docs/models.md, `--offload-model True`)."""


@dataclass(frozen=True)
class Shape:
    """What decides the work of a clip."""

    config: Mapping[str, Any]
    width: int
    height: int
    latents: int
    """Of a clip."""
    together: int
    """Latents of a block; 0: the whole clip at once, and its past with it."""
    evaluations: int
    """Passes through the transformer for each block."""

    @property
    def blocks(self) -> int:
        """Of a clip."""
        return self.latents // self.together if self.together else 1

    @property
    def passes(self) -> int:
        """Through the transformer, for a clip."""
        return self.blocks * self.evaluations

    @property
    def pixels(self) -> int:
        """Of a clip."""
        return self.width * self.height * self.latents

    @property
    def operations(self) -> float:
        """Of one clip in the transformer: products of weights, and attention."""
        config, tokens = self.config, self.width * self.height // 256
        past = 5 * tokens // 2
        asking = self.together * tokens if self.together else self.latents * tokens + past
        seen = 12 * tokens + past if self.together else asking
        dim, layers = config["dim"], config["num_layers"]
        weights = layers * (6 * dim**2 + 2 * dim * config["ffn_dim"])
        weights += len(config["audio_inject_layers"]) * 2 * dim**2
        attention = 4 * asking * dim * layers * (seen + config["text_len"])
        return self.passes * float(2 * asking * weights + attention)


@dataclass(frozen=True)
class Measured:
    """One clip on one H200 (docs/models.md)."""

    denoise: float = 4.46
    decode: float = 1.7
    beside: float = 0.44
    """Online a clip took 5.2 s: so much of the decoding is paid for by the denoiser."""
    operations: float = 16 * 120.8e12
    """Of that clip, by `Shape.operations`."""
    pixels: int = 704 * 384 * 12


def seconds(shape: Shape, measured: Measured, speed: Speed, fetched: int) -> Labour:
    """Of loading and of a clip, `fetched` being the bytes a clip that come over from the host."""
    denoise = measured.denoise * shape.operations / measured.operations / speed.relative
    decode = measured.decode * shape.pixels / measured.pixels / speed.relative
    waiting = fetched / (OVERLAP * speed.link)
    return Labour(FILES / READING, denoise + waiting, decode, measured.beside)
