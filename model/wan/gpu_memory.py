"""How much of a card a film takes, by arithmetic: decided once, before any weight is loaded. Without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from model.kv.kv_shape import HOST_BUFFERS, PackedSizes, Shard
from model.sampling.shard_plan import TENSORS_UNDER_WAY
from model.weights import published_shapes

BF16_BYTES, FP8_BYTES = 2, 1
"""Of a weight, and of a key or value; of one in eight bits."""
VAE_BYTES, AUDIO_ENCODER_BYTES, TEXT_ENCODER_BYTES = 0.26e9, 0.65e9, 11.4e9
"""Bytes of the VAE, of the speech encoder and of the text encoder, in bfloat16."""
DECODING, DENOISING, CONTEXT = 19_000, 5_500, 0.95e9
"""Bytes for each pixel of the film while the VAE decodes (with what it remembers) and while three latents are denoised; CUDA's own.

What torch then held on one H200: docs/models.md, "Memory".
"""
GRAPHS = 3_000
"""Bytes for each pixel that graphs of the layers keep for themselves: .8 GB at 704x384, reckoned: 1.3 were measured while each kept its tokens, .7 GB in all."""
JOINED = 28
"""Bytes for each token and channel of each further block of a wave that goes through the layers: tokens and their sum in float32, what a layer adds, then queries, keys and values as they are projected and normalised, or the wide rows of the feed-forward in both precisions."""
HEARING = 16
"""Bytes for each token and channel of each of several speakers while an injector makes all tokens hear it: repeated, wide in float32, normalised, asking, heard, put out, masked (model/s2v/audio_injector.py). Of one speaker it is in DENOISING, which was measured."""
BUFFERS = 2
"""Of layers that wait on the host, so many are on the card: what is used, and what comes next."""


@dataclass(frozen=True)
class MemoryInput:
    """What decides the memory of a denoiser."""

    width: int
    height: int
    steps: int
    together: int
    """Latents that are denoised together."""
    kv_latents: int
    """Latents that a block attends to through the KV cache; 0 where there is none."""
    fp8: bool = False
    """Layers in eight-bit floats, and the KV cache in eight bits."""
    speakers: int = 1


@dataclass(frozen=True)
class OffloadPlan:
    """What waits on the host."""

    kv_on_host: bool = False
    layers_on_host: int = 0
    """How many of the transformer's blocks."""
    joins: bool = True
    """Blocks of a wave may go through the layers as one run of rows: there is memory for it."""

    @property
    def waits(self) -> bool:
        """Whether anything does."""
        return self.kv_on_host or self.layers_on_host > 0

    def waiting(self, blocks: int) -> tuple[int, ...]:
        """Numbers of the blocks that wait: spread evenly, so that each has time to come."""
        count = self.layers_on_host
        return tuple((2 * i + 1) * blocks // (2 * count) for i in range(count))

    @property
    def description(self) -> str:
        """What waits on the host, in words."""
        rings = "rings" if self.kv_on_host else ""
        layers = f"{self.layers_on_host} layers" if self.layers_on_host else ""
        waiting = " and ".join(filter(None, (rings, layers)))
        return f"{waiting} wait on the host" if waiting else "all on the card"


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes on the card."""

    blocks: int
    """How many there are."""
    block: int
    """Weights of one; they can wait on the host."""
    other: int
    """The transformer's other weights."""
    kv_caches: int
    """Cached keys and values of all layers at all steps; they can wait on the host, all but four layers'."""
    layer_kv_cache: int
    """Cached keys and values of one layer at one step."""
    denoising: int
    """What is worked with while latents are denoised, and the keys and values of prompt and condition."""
    vae: int
    """The VAE with all that it works with while it decodes."""
    audio_encoder: int
    """The speech encoder."""
    text_encoder: int
    """What the prompt's encoder takes, before anything else is there."""
    hop: int = 0
    """Tokens of a block, in float32: what goes from rank to rank where layers are shared out."""
    injectors: int = 0
    """Weights that belong to some of the blocks and are counted in `other`: they stay on the card, of the blocks that are there."""
    graphs: int = 0
    """What graphs of the layers keep for themselves, where nothing waits on the host and no other rank meets this one inside of a layer."""
    wave: int = 0
    """What the other blocks of a wave are worked with, where one card denoises them together (shard_plan.ShardPlan.waves), as one run of rows."""
    wave_tokens: int = 0
    """What the other blocks of a wave are kept in, where they go through each layer that waits on the host one after the other."""
    kept_heads: int = 0
    """Keys and values of the condition and of the window, all heads of them, that are counted in `denoising`: a rank with a share of the heads has a share of them. Its other activations are counted whole, with what it exchanges."""

    def of_shard(self, shard: Shard, steps: int) -> "MemoryNeed":
        """What one of several ranks needs, of so many steps in all: its blocks, its KV caches, and on rank 0 alone what is no denoising."""
        blocks = len(shard.layers)
        leads = shard.places[0] == (0, 0) and not shard.part and not shard.branch
        # What is on its way to the next rank, and what comes from the one before.
        cut = blocks < self.blocks or shard.begins > 0 or shard.ends is not None
        hops = (TENSORS_UNDER_WAY + 1) * self.hop if cut else 0
        return replace(
            self,
            blocks=blocks,
            other=self.other - self.injectors + self.injectors * blocks // self.blocks,
            injectors=self.injectors * blocks // self.blocks,
            kv_caches=self.kv_caches * len(shard.places) // (self.blocks * steps * shard.parts),
            layer_kv_cache=self.layer_kv_cache // shard.parts,
            denoising=self.denoising + hops - self.kept_heads + self.kept_heads // shard.parts,
            kept_heads=self.kept_heads // shard.parts,
            graphs=0 if shard.parts > 1 or shard.branch is not None else self.graphs,
            wave=0,
            wave_tokens=0,
            vae=leads * self.vae,
            audio_encoder=leads * self.audio_encoder,
            text_encoder=leads * self.text_encoder,
        )

    def parts(self, plan: OffloadPlan) -> dict[str, int]:
        """Bytes on the card by part, without what waits on the host."""
        resident = self.blocks - plan.layers_on_host + (BUFFERS if plan.layers_on_host else 0)
        return {
            "weights": min(resident, self.blocks) * self.block + self.other,
            "rings": min(self.kv_caches, HOST_BUFFERS * self.layer_kv_cache)
            if plan.kv_on_host
            else self.kv_caches,
            "activations": self.denoising
            + (0 if plan.waits else self.graphs)
            + (self.wave if plan.joins else self.wave_tokens if plan.layers_on_host else 0),
            "VAE": self.vae,
            "speech encoder": self.audio_encoder,
            "CUDA": int(CONTEXT),
        }

    def total(self, plan: OffloadPlan) -> int:
        """Bytes on the card at most: of all parts, or of the prompt's encoder where that is more."""
        return max(self.text_encoder, sum(self.parts(plan).values()))

    def host(self, plan: OffloadPlan) -> dict[str, int]:
        """Bytes that wait on the host, by part."""
        return {
            "weights": plan.layers_on_host * self.block,
            "rings": self.kv_caches if plan.kv_on_host else 0,
        }

    def fetched(self, plan: OffloadPlan, blocks: int, passes: int) -> int:
        """Bytes that come over from the host for so many blocks of latents and passes through the layers; in waves the weights come once for as many passes as steps."""
        waiting = self.host(plan)
        return waiting["weights"] * (blocks if self.wave else passes) + waiting["rings"] * blocks

    def choices(self, offload: bool | None) -> list[OffloadPlan]:
        """Plans that may be tried, the fastest first; None leaves the choice.

        The KV cache goes first: a quarter of it passes at each forward, of a layer all. Blocks go one by one where that keeps all on the card, or where else nothing fits.
        """
        resident = [OffloadPlan(joins=joins) for joins in (True, False)]
        counts = range(self.blocks + 1)
        joined, single = ([OffloadPlan(True, n, joins=joins) for n in counts] for joins in (True, False))  # fmt: skip
        least = [joined[-1], single[-1]]
        return {False: resident, True: least, None: [*resident, *joined, *single]}[offload]


def choose_offload(needed: MemoryNeed, free: float | None, offload: bool | None) -> OffloadPlan:
    """The fastest plan that fits into what is free (None: nobody knows); the smallest where none does."""
    plans = needed.choices(offload)
    fitting = (plan for plan in plans if free is None or needed.total(plan) <= free)
    return next(fitting, plans[-1])


def least_bytes(needed: MemoryNeed, offload: bool | None) -> int:
    """Bytes of the card without which no plan fits."""
    return min(needed.total(plan) for plan in needed.choices(offload))


def compute_need(config: Mapping[str, Any], film: MemoryInput) -> MemoryNeed:
    """What a transformer of this configuration needs for a film."""
    sizes = {
        name: prod(shape) for name, shape in published_shapes.transformer_shapes(config).items()
    }
    weight = FP8_BYTES if film.fp8 else BF16_BYTES
    weight_bytes = {
        name: size * (weight if published_shapes.is_linear(name) else BF16_BYTES)
        for name, size in sizes.items()
    }
    blocks = sum(size for name, size in weight_bytes.items() if name.startswith("blocks."))
    tokens = film.width * film.height // 256
    condition = _kv_bytes(config, film, 5 * tokens // 2) if film.kv_latents else 0
    own = _kv_bytes(config, film, film.together * tokens)
    slots = max(film.kv_latents // film.together - 1, 0)
    # In eight bits cached blocks are attended to where they lie.
    window = condition + (1 + (0 if film.fp8 else slots)) * own if film.kv_latents else 0
    cross = config["num_layers"] * (condition + 2 * BF16_BYTES * config["dim"] * config["text_len"])
    pixels = film.width * film.height
    several = film.speakers if film.speakers > 1 else 0
    hearing = HEARING * several * config["dim"] * film.together * tokens
    # Numbers of the tokens of the further blocks of a wave.
    further = (film.steps - 1) * config["dim"] * film.together * tokens if film.kv_latents else 0
    return MemoryNeed(
        blocks=config["num_layers"],
        block=blocks // config["num_layers"],
        other=sum(weight_bytes.values()) - blocks,
        kv_caches=slots * own * config["num_layers"] * film.steps,
        layer_kv_cache=slots * own,
        denoising=int(DENOISING * film.together / 3 * pixels) + cross + window + hearing,
        vae=int(DECODING * pixels + VAE_BYTES),
        audio_encoder=int(AUDIO_ENCODER_BYTES),
        text_encoder=int(TEXT_ENCODER_BYTES + CONTEXT),
        hop=4 * config["dim"] * film.together * tokens,
        injectors=sum(
            size for name, size in weight_bytes.items() if name.startswith("audio_injector.")
        ),
        kept_heads=config["num_layers"] * condition + window,
        # Of several speakers it is the injector that takes most: the rows of all blocks, for each of them.
        wave=further * max(JOINED, 2 + HEARING * several),
        # Tokens in float32, and what a layer adds to them.
        wave_tokens=further * 6,
        graphs=int(GRAPHS * film.together / 3 * pixels) if film.kv_latents else 0,
    )


def _kv_bytes(config: Mapping[str, Any], film: MemoryInput, rows: int) -> int:
    """Bytes of the keys and values of so many rows, as they are cached."""
    heads, dim = config["num_heads"], config["dim"]
    packed = PackedSizes(1, heads, rows, dim // heads)
    return packed.bytes if film.fp8 else 2 * BF16_BYTES * dim * rows
