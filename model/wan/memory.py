"""How much of a card a film takes, by arithmetic: decided once, before any weight is loaded. Without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from model import shapes

BYTES = 2
"""Of a weight, and of a key or value."""
VAE, EAR, TEXT = 0.26e9, 0.65e9, 11.4e9
"""Bytes of the VAE, of the speech encoder and of the text encoder, in bfloat16."""
DECODING, DENOISING, CONTEXT = 19_000, 5_500, 0.6e9
"""Bytes for each pixel of the film while the VAE decodes (with what it remembers) and while three latents are denoised; CUDA's own.

So reckoned, 704 × 384 takes 93.5 GB; on one H200 torch held 93.4 (docs/models.md, "Memory").
"""


@dataclass(frozen=True)
class Film:
    """What decides the memory of a denoiser."""

    width: int
    height: int
    steps: int
    together: int
    """Latents that are denoised together."""
    ring_latents: int
    """Latents that a ring holds; 0 where there are no rings."""


@dataclass(frozen=True)
class Need:
    """Bytes on the card."""

    layers: int
    """Linear layers of the blocks and the injector: they can wait on the host."""
    other: int
    """The transformer's other weights."""
    rings: int
    """Keys and values of all steps: they can wait on the host, all but one layer's."""
    ring: int
    """One layer's at one step."""
    denoising: int
    """What is worked with while latents are denoised, and the prompt's keys and values."""
    vae: int
    """The VAE with all that it works with while it decodes."""
    ear: int
    """The speech encoder."""
    words: int
    """What the prompt's encoder takes, before anything else is there."""
    pinned_layers: int
    """Of the host, where the layers wait there; so the rings, below."""
    pinned_rings: int

    def parts(self, way: "Placing") -> dict[str, int]:
        """All of it but what waits on the host."""
        # The largest layer, and the one that is being fetched beside it.
        layers = self.layers // 100 if way.layers_on_host else self.layers
        return {
            "weights": layers + self.other,
            "rings": self.ring if way.rings_on_host else self.rings,
            "activations": self.denoising,
            "VAE": self.vae,
            "speech encoder": self.ear,
            "CUDA": int(CONTEXT),
        }

    def total(self, way: "Placing") -> int:
        """All parts; the prompt's encoder, where that is more."""
        return max(self.words, sum(self.parts(way).values()))

    def host(self, way: "Placing") -> dict[str, int]:
        """What waits on the host."""
        layers = self.pinned_layers if way.layers_on_host else 0
        return {"weights": layers, "rings": self.pinned_rings if way.rings_on_host else 0}

    def fetched(self, way: "Placing", blocks: int, passes: int) -> int:
        """Bytes that come over from the host for so many blocks of latents and passes through the layers."""
        layers = self.layers * passes if way.layers_on_host else 0
        return layers + (self.rings * blocks if way.rings_on_host else 0)


@dataclass(frozen=True)
class Placing:
    """What waits on the host."""

    rings_on_host: bool = False
    layers_on_host: bool = False

    @property
    def words(self) -> str:
        """The same for people."""
        if self.layers_on_host:
            return "rings and layers wait on the host" if self.rings_on_host else "layers wait"
        return "rings wait on the host" if self.rings_on_host else "all on the card"


RESIDENT, RINGS, BOTH = Placing(), Placing(True), Placing(True, True)


def choices(offload: bool | None) -> tuple[Placing, ...]:
    """What may be tried, the fastest first; None leaves the choice."""
    return {False: (RESIDENT,), True: (BOTH,), None: (RESIDENT, RINGS, BOTH)}[offload]


def choose(needed: Need, free: float | None, offload: bool | None) -> Placing:
    """The fastest way that fits into what is free (None: nobody knows); the smallest where none does."""
    ways = choices(offload)
    fitting = (way for way in ways if free is None or needed.total(way) <= free)
    return next(fitting, ways[-1])


def least(needed: Need, offload: bool | None) -> int:
    """Bytes without which nothing goes."""
    return min(needed.total(way) for way in choices(offload))


def need(config: Mapping[str, Any], film: Film) -> Need:
    """What a transformer of this configuration needs for a film."""
    sizes = {name: prod(shape) for name, shape in shapes.transformer(config).items()}
    pixels = film.width * film.height
    tokens = pixels // 256
    condition = 5 * tokens // 2 if film.ring_latents else 0
    row = 2 * config["dim"] * BYTES
    ring = row * (condition + film.ring_latents * tokens)
    told = config["num_layers"] * row * (condition + config["text_len"])
    rings = config["num_layers"] * film.steps
    linear = {
        name: BYTES * size
        for name, size in sizes.items()
        if name.endswith(shapes.ADAPTED) or "adain" in name
    }
    return Need(
        layers=sum(linear.values()),
        other=BYTES * sum(sizes.values()) - sum(linear.values()),
        rings=ring * rings,
        ring=ring,
        denoising=int(DENOISING * film.together / 3 * pixels) + told,
        vae=int(DECODING * pixels + VAE),
        ear=int(EAR),
        words=int(TEXT + CONTEXT),
        pinned_layers=sum(map(pinned, linear.values())),
        pinned_rings=pinned(ring) * rings,
    )


def pinned(size: int) -> int:
    """What torch takes of the host for memory that a card reads by itself: the next power of two."""
    return 1 << (size - 1).bit_length() if size else 0
