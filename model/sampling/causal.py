"""The block-causal clip loop of LiveAvatar (arXiv 2512.04677): block after block, a ring for each step, a rolling reference.

The screen to read is `_denoise_block` and `velocity`: for each step, one forward through the ring of that step.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
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
    """What a block is told besides its own latents."""

    audio: list[AudioStates]
    masks: Tensor | None
    pose: Tensor | None


@dataclass(frozen=True)
class TokenPositions:
    """Where tokens stand [l, 3] at time 0, on the model's device: what is sent there anew makes the host wait for all that runs."""

    own: Tensor
    picture: Tensor
    motion: Tensor
    later: Tensor
    """One latent later [3]."""


def token_positions(model: S2VTransformer, scene: Conditioning, block: int) -> TokenPositions:
    """Of a block, of the picture, and of the motion before the film."""
    h, w = scene.reference.shape[-2:]
    grids = (
        model.latent_positions(0, block, h, w),
        model.latent_positions(0, 1, h, w),
        model.motion_positions(0, h, w),
        torch.tensor([1, 0, 0]),
    )
    return TokenPositions(*(grid.to(scene.reference.device) for grid in grids))


class CausalDenoiser:
    """A film in the making. All that goes from clip to clip is `sink`, `motion` and the rings."""

    def __init__(
        self,
        transformer: S2VTransformer,
        schedule: Schedule,
        scene: Conditioning,
        draws: NoiseSource,
        remembering: KVCacheConfig = KVCacheConfig(),  # noqa: B008 - frozen
    ) -> None:
        self.transformer, self.schedule, self.scene, self.draws = (
            transformer, schedule, scene, draws,
        )  # fmt: skip
        self.block: int = transformer.config.block_latents
        self.latents: int = transformer.config.ring_latents
        self.blocks = count_blocks(scene.clip_latents, self.block)
        with torch.inference_mode():
            like = transformer.patch_embedding.weight
            *self.times, self.still = transformer.embed_times((*schedule.timesteps, 0.0))
            self.text: TextStates = transformer.embed_text(scene.text)
            steps, layers = len(self.times), len(transformer.blocks)
            self.memory = KVCache(self._ring_shape(), like, steps, layers, remembering)
            self._places = token_positions(transformer, scene, self.block)
        self.restore(0, ())

    @property
    def next_clip(self) -> int:
        """The clip that `denoise` makes next."""
        return self._clip

    @torch.inference_mode()
    def denoise(self, audio: Float) -> Denoised:
        """Make the next clip from its features [layer, channel, frame], or [speaker, layer, channel, frame] where the scene has masks."""
        heard = self.scene.audio_tensor(audio).chunk(self.blocks, -1)
        pose = self.scene.pose_of(self._clip)
        poses = [None] * self.blocks if pose is None else pose.split(self.block, 2)
        trail = [self._denoise_block(n, heard[n], poses[n]) for n in range(self.blocks)]
        steps = torch.cat(trail, 2)
        if self._clip == 0 and self.transformer.config.sink_from_first_clip:
            self.sink = steps[-1:, :, :1].clone()
            self._prefilled = False
        self._clip += 1
        shown = steps.float().cpu().numpy()
        return Denoised(shown[-1].copy(), shown)

    def carry(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """All that the next clip takes from those before it."""
        yield "sink", to_bits(self.sink)
        yield "motion", to_bits(self.motion)
        yield from self.memory.save()

    @torch.inference_mode()
    def restore(self, clip: int, carry: Iterable[tuple[str, NDArray[np.generic]]]) -> None:
        """Stand before `clip` again; `restore(0, ())` starts over."""
        self._clip, self._prefilled = clip, False
        self.sink, self.motion = self.scene.reference, self.scene.motion
        self.memory.reset()
        for name, bits in carry:
            kind, *place = name.split(".")
            if kind == "ring":
                self.memory.load(int(place[0]), int(place[1]), bits)  # type: ignore[arg-type]
            else:
                setattr(self, kind, from_bits(bits).to(self.scene.reference))  # type: ignore[arg-type]

    def _denoise_block(self, block: int, heard: Tensor, pose: Tensor | None) -> Tensor:
        """The latents [step, c, t, h, w] of one block after each step."""
        told, states = self.embed_conditioning(heard, pose), []
        x, solve = self._noise(block), self.schedule.begin()
        for step in range(len(self.times)):
            x = solve(step, self.velocity(step, block, x, told), x)
            states.append(x)
        if self.transformer.config.motion_follows:
            self.motion = torch.cat([self.motion, x], 2)[:, :, -self.motion.shape[2] :]
            self._prefilled = False
        return torch.cat(states)

    def embed_conditioning(self, heard: Tensor, pose: Tensor | None = None) -> BlockConditioning:
        """What all steps of a block are told, from its features."""
        return BlockConditioning(
            self.transformer.embed_audio(heard), self.scene.token_masks(self.block), pose
        )

    def velocity(self, step: int, block: int, x: Tensor, told: BlockConditioning) -> Tensor:
        """One forward of a block of the next clip, which the ring of this step then remembers: x [1, c, t, h, w] to its velocity."""
        self._prefill()
        model, time = self.transformer, self.times[step]
        start = self._clip * self.scene.clip_latents + block * self.block
        attends = self._attends(step, start, self.draws.sink(self._clip, block, step))
        tokens = model.embed_noisy(x, told.pose)
        self.memory.begin(step)
        way = ForwardContext(
            (time,), (tokens.shape[1],), attends, self.text, told.audio, told.masks
        )
        return model.to_velocity(model.through_blocks(tokens, way), time, x.shape[2:])

    def _noise(self, block: int) -> Tensor:
        _, c, _, h, w = self.scene.reference.shape
        noise = torch.from_numpy(self.draws.noise(self._clip, block, (c, self.block, h, w)))[None]
        return send_to_device(noise, self.scene.reference.device).to(
            self.transformer.latents_precision
        )

    def _prefill(self) -> None:
        """Run reference and motion through the blocks at t = 0, keeping their keys unrotated: their places change with each block."""
        if self._prefilled:
            return
        model = self.transformer
        tokens = model.embed_condition(self.sink, self.motion)
        factors = self._condition_factors(model.config.reference_time, 0)
        self.memory.reset_condition()
        attends = [attend_and_keep(self.memory, factors)] * len(model.blocks)
        model.through_blocks(
            tokens, ForwardContext((self.still,), (tokens.shape[1],), attends, self.text, [])
        )
        self._prefilled = True

    def _attends(self, step: int, start: int, ahead: int) -> list[Attend]:
        """For each layer: attend to this block, what is remembered and the condition."""
        model, config = self.transformer, self.transformer.config
        reference = max(config.reference_time, start + ahead)
        own = model.rope.factors(self._places.own.add(self._places.later, alpha=start))
        before = start if config.motion_follows else 0
        place = BlockPosition(start, own, self._condition_factors(reference, before))
        return [self._attend(step, layer, place) for layer in range(len(model.blocks))]

    def _attend(self, step: int, layer: int, place: BlockPosition) -> Attend:
        return lambda *qkv: self.memory.attend(step, layer, place, qkv)

    def _condition_factors(self, reference: int, before: int) -> Tensor:
        there = self._places
        picture = there.picture.add(there.later, alpha=reference)
        motion = there.motion.add(there.later, alpha=before)
        return self.transformer.rope.factors(torch.cat([picture, motion]))

    def _ring_shape(self) -> KVShape:
        model = self.transformer
        b, _, _, h, w = self.scene.reference.shape
        tokens = model.tokens_per_latent(h, w)
        condition = tokens + len(model.motion_positions(0, h, w))
        heads = model.config.num_heads
        head_dim = model.config.dim // heads
        return KVShape(b, heads, head_dim, condition, self.latents, self.block, tokens)


def count_blocks(clip_latents: int, block: int) -> int:
    """Blocks of a clip; raises BadOption where it is no whole number of them."""
    if clip_latents < block or clip_latents % block:
        raise BadOption(f"A clip of {clip_latents}", "latents", f"blocks have {block}")
    return clip_latents // block


def attend_and_keep(memory: KVCache, factors: Tensor) -> Attend:
    """Attention of the condition to itself; its unrotated keys and its values are kept, layer after layer."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        memory.keep_condition(k, v)
        return attend_all(apply_rope(q, factors), apply_rope(k, factors), v)

    return attend
