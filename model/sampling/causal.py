"""The block-causal clip loop of LiveAvatar (arXiv 2512.04677): block after block, a KV cache for each step, a rolling reference.

The screen to read is `denoise` and `velocity`: for each step of each block, one forward through the KV cache of that step.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from model.avatar import Denoised, Float
from model.device.prefetch import send_to_device
from model.kv.kv_cache import KVCache, KVCacheConfig, from_bits, to_bits
from model.kv.kv_shape import KVShape
from model.kv.kv_window import BlockPosition
from model.s2v.attention import Attend, attend_all
from model.s2v.audio_injector import AudioStates
from model.s2v.conditioning import Conditioning
from model.s2v.rope import apply_rope
from model.s2v.transformer import ForwardContext, S2VTransformer, TextStates
from model.sampling.noise import NoiseSource
from model.sampling.schedule import Schedule
from storage.errors import BadOption


@dataclass(frozen=True)
class BlockConditioning:
    """Sound, speakers' masks [speaker, token] and pose latents [1, c, t, h, w] of one block, the same at all of its steps."""

    audio: list[AudioStates]
    masks: Tensor | None
    pose: Tensor | None


@dataclass(frozen=True)
class TokenPositions:
    """Positions [l, 3] (time, row, column) of tokens at time 0, on the model's device: sending them anew would make the host wait for all that runs."""

    block: Tensor
    reference: Tensor
    motion: Tensor
    one_latent: Tensor
    """The step of one latent in time [3]."""


def token_positions(
    model: S2VTransformer, conditioning: Conditioning, block: int
) -> TokenPositions:
    """Positions of a block of `block` latents, of the reference, and of the motion latents that end before time 0."""
    h, w = conditioning.reference.shape[-2:]
    grids = (
        model.latent_positions(0, block, h, w),
        model.latent_positions(0, 1, h, w),
        model.motion_positions(0, h, w),
        torch.tensor([1, 0, 0]),
    )
    return TokenPositions(*(grid.to(conditioning.reference.device) for grid in grids))


class CausalDenoiser:
    """A film in the making, clip after clip. All that goes from clip to clip is `sink`, `motion` and the KV cache."""

    sink: Tensor
    """The reference's latents [1, c, 1, h, w]: the picture's, or the film's first."""
    motion: Tensor
    """Latents [1, c, m, h, w] before the next block, or those of the picture."""

    def __init__(
        self,
        transformer: S2VTransformer,
        schedule: Schedule,
        conditioning: Conditioning,
        noise: NoiseSource,
        cache: KVCacheConfig = KVCacheConfig(),  # noqa: B008 - frozen
    ) -> None:
        self.transformer, self.schedule = transformer, schedule
        self.conditioning, self.noise = conditioning, noise
        self.block = transformer.config.block_latents
        self.blocks = count_blocks(conditioning.clip_latents, self.block)
        with torch.inference_mode():
            weight = transformer.patch_embedding.weight
            *self.times, self.time_zero = transformer.embed_times((*schedule.timesteps, 0.0))
            self.text: TextStates = transformer.embed_text(conditioning.text)
            steps, layers = len(self.times), len(transformer.blocks)
            self.cache = KVCache(self._cache_shape(), weight, steps, layers, cache)
            self._positions = token_positions(transformer, conditioning, self.block)
        self.restore(0, ())

    @property
    def next_clip(self) -> int:
        """Number of the clip that `denoise` makes next, from 0."""
        return self._clip

    @torch.inference_mode()
    def denoise(self, audio: Float) -> Denoised:
        """Make the next clip from its features [layer, channel, frame], or [speaker, layer, channel, frame] where the conditioning has masks."""
        config, pose = self.transformer.config, self.conditioning.pose_of(self._clip)
        poses = [None] * self.blocks if pose is None else pose.split(self.block, 2)
        features = self.conditioning.audio_tensor(audio).chunk(self.blocks, -1)
        trail = []
        for block in range(self.blocks):
            conditioning = self.embed_conditioning(features[block], poses[block])
            x, solve = self._draw_noise(block), self.schedule.begin()
            for step in range(len(self.times)):
                x = solve(step, self.velocity(step, block, x, conditioning), x)
                trail.append(x)
            if config.motion_follows:
                self.motion = torch.cat([self.motion, x], 2)[:, :, -self.motion.shape[2] :]
                self._prefilled = False
        after_steps = "(block step) c t h w -> step c (block t) h w"
        steps = rearrange(torch.cat(trail), after_steps, block=self.blocks)
        if self._clip == 0 and config.sink_from_first_clip:
            self.sink, self._prefilled = steps[-1:, :, :1].clone(), False
        self._clip += 1
        shown = steps.float().cpu().numpy()
        return Denoised(shown[-1].copy(), shown)

    def carry(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """All that the next clip takes from those before it, piece by piece: "sink" and "motion" [1, c, t, h, w], then the bytes of each layer's cache."""
        yield "sink", to_bits(self.sink)
        yield "motion", to_bits(self.motion)
        yield from self.cache.save()

    @torch.inference_mode()
    def restore(self, clip: int, carry: Iterable[tuple[str, NDArray[np.generic]]]) -> None:
        """Stand before `clip` again, with the pieces that `carry` gave there; `restore(0, ())` starts over."""
        self._clip, self._prefilled = clip, False
        self.sink, self.motion = self.conditioning.reference, self.conditioning.motion
        self.cache.reset()
        for name, bits in carry:
            kind, *place = name.split(".")
            if kind == "ring":
                self.cache.load(int(place[0]), int(place[1]), bits)  # type: ignore[arg-type]
            else:
                setattr(self, kind, from_bits(bits).to(self.conditioning.reference))  # type: ignore[arg-type]

    def embed_conditioning(self, features: Tensor, pose: Tensor | None = None) -> BlockConditioning:
        """What all steps of a block share, from its features [speaker, layer, channel, frame] and pose latents [1, c, t, h, w]."""
        masks = self.conditioning.token_masks(self.block)
        return BlockConditioning(self.transformer.embed_audio(features), masks, pose)

    def velocity(self, step: int, block: int, x: Tensor, conditioning: BlockConditioning) -> Tensor:
        """Latents [1, c, t, h, w] of a block of the next clip to their velocity, by one forward; this step's KV cache then holds the block."""
        self._prefill()
        model, time = self.transformer, self.times[step]
        start = self._clip * self.conditioning.clip_latents + block * self.block
        attends = self._attends(step, start, self.noise.sink(self._clip, block, step))
        tokens = model.embed_noisy(x, conditioning.pose)
        self.cache.begin(step)
        context = ForwardContext(
            (time,), (tokens.shape[1],), attends, self.text, conditioning.audio, conditioning.masks
        )
        return model.to_velocity(model.through_blocks(tokens, context), time, x.shape[2:])

    def _draw_noise(self, block: int) -> Tensor:
        reference = self.conditioning.reference
        _, c, _, h, w = reference.shape
        noise = torch.from_numpy(self.noise.noise(self._clip, block, (c, self.block, h, w)))
        drawn = send_to_device(noise[None], reference.device)
        return drawn.to(self.transformer.latents_precision)

    def _prefill(self) -> None:
        """Run reference and motion through the blocks at t = 0, keeping their keys before rotation: their positions change with each block."""
        if self._prefilled:
            return
        model = self.transformer
        tokens = model.embed_condition(self.sink, self.motion)
        factors = self._condition_factors(model.config.reference_time, 0)
        self.cache.reset_condition()
        attends = [attend_and_keep(self.cache, factors)] * len(model.blocks)
        model.through_blocks(
            tokens, ForwardContext((self.time_zero,), (tokens.shape[1],), attends, self.text, [])
        )
        self._prefilled = True

    def _attends(self, step: int, start: int, ahead: int) -> list[Attend]:
        """Each layer's attention to a block that begins at latent time `start`, to the cached blocks and to the condition, whose reference stands `ahead` latents later."""
        model, config, positions = self.transformer, self.transformer.config, self._positions
        reference = max(config.reference_time, start + ahead)
        own = model.rope.factors(positions.block.add(positions.one_latent, alpha=start))
        motion_end = start if config.motion_follows else 0
        place = BlockPosition(start, own, self._condition_factors(reference, motion_end))
        return [self._attend(step, layer, place) for layer in range(len(model.blocks))]

    def _attend(self, step: int, layer: int, place: BlockPosition) -> Attend:
        return lambda *qkv: self.cache.attend(step, layer, place, qkv)

    def _condition_factors(self, reference_time: int, motion_end: int) -> Tensor:
        """Rotary factors [l, head_dim/2, 2] of the reference at a time and of the motion that ends before another."""
        positions = self._positions
        reference = positions.reference.add(positions.one_latent, alpha=reference_time)
        motion = positions.motion.add(positions.one_latent, alpha=motion_end)
        return self.transformer.rope.factors(torch.cat([reference, motion]))

    def _cache_shape(self) -> KVShape:
        model, config = self.transformer, self.transformer.config
        b, _, _, h, w = self.conditioning.reference.shape
        tokens, head_dim = model.tokens_per_latent(h, w), config.dim // config.num_heads
        condition = tokens + len(model.motion_positions(0, h, w))
        return KVShape(
            b, config.num_heads, head_dim, condition, config.ring_latents, self.block, tokens
        )


def count_blocks(clip_latents: int, block: int) -> int:
    """Blocks of `block` latents in a clip; raises BadOption where it is no whole number of them."""
    if clip_latents < block or clip_latents % block:
        raise BadOption(f"A clip of {clip_latents}", "latents", f"blocks have {block}")
    return clip_latents // block


def attend_and_keep(cache: KVCache, factors: Tensor) -> Attend:
    """Attention of the condition to itself, rotated by `factors`; its keys before rotation and its values go into the cache, layer after layer."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        cache.keep_condition(k, v)
        return attend_all(apply_rope(q, factors), apply_rope(k, factors), v)

    return attend
