"""The block-causal clip loop of LiveAvatar (arXiv 2512.04677): block after block, a ring for each step, a rolling reference.

The screen to read is `denoise`: for each block, for each step, one forward through the ring of that step.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from model.attention import Attend, attend_all, attend_heads
from model.avatar import Denoised, Float
from model.draws import Draws
from model.ring import Ring, RingShape, from_bits, to_bits
from model.rope import rotate
from model.schedule import Schedule
from model.transformer import REFERENCE, Pass, S2VTransformer, TextStates


@dataclass(frozen=True)
class Scene:
    """What stays the same for a whole film: reference [b,c,1,h,w], motion [b,c,m,h,w], prompt states, latents of a clip."""

    reference: Tensor
    motion: Tensor
    text: Tensor | None
    clip_latents: int


class CausalDenoiser:
    """A film in the making. All that goes from clip to clip is `sink`, `motion` and the rings."""

    def __init__(
        self, transformer: S2VTransformer, schedule: Schedule, scene: Scene, draws: Draws
    ) -> None:
        self.transformer, self.schedule, self.scene, self.draws = (
            transformer, schedule, scene, draws,
        )  # fmt: skip
        config = transformer.config
        self.block: int = config.block_latents
        self.latents: int = config.ring_latents
        with torch.inference_mode():
            like = transformer.patch_embedding.weight
            b = scene.reference.shape[0]
            self.times = [
                transformer.embed_time(torch.full((b,), t, device=like.device))
                for t in schedule.timesteps
            ]
            self.still = transformer.embed_time(torch.zeros(b, device=like.device))
            text = None if scene.text is None else scene.text.to(like)
            self.text: TextStates = transformer.embed_text(text)
            self.rings = [
                [Ring(self._ring_shape(), like) for _ in transformer.blocks] for _ in self.times
            ]
        self.restore(0, ())

    @property
    def next_clip(self) -> int:
        """The clip that `denoise` makes next."""
        return self._clip

    @torch.inference_mode()
    def denoise(self, audio: Float) -> Denoised:
        """Make the next clip from its features [layer, channel, frame]."""
        whole, trail = [], []
        frames = audio.shape[-1] // (self.scene.clip_latents // self.block)
        for block in range(self.scene.clip_latents // self.block):
            heard = torch.from_numpy(audio[None, ..., block * frames : (block + 1) * frames])
            states = self._denoise_block(block, heard)
            trail.append(torch.cat(states))
            whole.append(states[-1])
        latents = torch.cat(whole, 2)
        if self._clip == 0 and self.transformer.config.sink_from_first_clip:
            self.sink = latents[:, :, :1].clone()
            self._prefilled = False
        self._clip += 1
        return Denoised(latents[0].cpu().numpy(), torch.cat(trail, 2).cpu().numpy())

    def carry(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """All that the next clip takes from those before it; of the rings the frames that it can still see."""
        yield "sink", to_bits(self.sink)
        yield "motion", to_bits(self.motion)
        until = self._clip * self.scene.clip_latents
        kept = min(until, self.latents - self.block)
        for s, layers in enumerate(self.rings):
            for i, ring in enumerate(layers):
                for name, bits in ring.save(until, kept):
                    yield f"ring.{s}.{i}.{name}", bits

    @torch.inference_mode()
    def restore(self, clip: int, carry: Iterable[tuple[str, NDArray[np.generic]]]) -> None:
        """Stand before `clip` again; `restore(0, ())` starts over."""
        self._clip, self._prefilled = clip, False
        self.sink, self.motion = self.scene.reference, self.scene.motion
        until = clip * self.scene.clip_latents
        for name, bits in carry:
            kind, *place = name.split(".")
            if kind == "ring":
                s, i, which = int(place[0]), int(place[1]), place[2]
                self.rings[s][i].load(until, which, bits)  # type: ignore[arg-type]
            else:
                setattr(self, kind, from_bits(bits).to(self.scene.reference))  # type: ignore[arg-type]

    def _denoise_block(self, block: int, heard: Tensor) -> list[Tensor]:
        """The latents [b,c,t,h,w] of one block after each step, float32."""
        model, like = self.transformer, self.transformer.patch_embedding.weight
        start = self._clip * self.scene.clip_latents + block * self.block
        audio = model.embed_audio(heard.to(like))
        self._prefill()
        b, c, _, h, w = self.scene.reference.shape
        noise = self.draws.noise(self._clip, block, (c, self.block, h, w))
        x = torch.from_numpy(noise).to(like.device).expand(b, -1, -1, -1, -1)
        states = []
        for step, time in enumerate(self.times):
            ahead = self.draws.sink(self._clip, block, step)
            attends = self._attends(step, start, ahead)
            tokens = model.embed_latents(x.to(like.dtype), kind=0)
            if model.config.cond_dim is not None:
                tokens = tokens + model.embed_pose(torch.zeros_like(x, dtype=like.dtype))
            way = Pass((time,), (tokens.shape[1],), attends, self.text, audio)
            velocity = model.to_velocity(
                model.through_blocks(tokens, way), time, (self.block, h, w)
            )
            x = x + self.schedule.euler_factor(step) * velocity
            states.append(x)
        if model.config.motion_follows:
            self.motion = torch.cat([self.motion, x], 2)[:, :, -self.motion.shape[2] :]
            self._prefilled = False
        return states

    def _prefill(self) -> None:
        """Run reference and motion through the blocks at t = 0, keeping their keys unrotated: their places change with each block."""
        if self._prefilled:
            return
        model, like = self.transformer, self.transformer.patch_embedding.weight
        tokens = torch.cat(
            [
                model.embed_latents(self.sink.to(like), REFERENCE),
                model.embed_motion(self.motion.to(like)),
            ],
            1,
        )
        factors = self._condition_factors(model.config.reference_time, 0)
        self.condition: list[tuple[Tensor, Tensor]] = []
        way = Pass(
            (self.still,), (tokens.shape[1],),
            [attend_and_keep(self.condition, factors) for _ in model.blocks], self.text, [],
        )  # fmt: skip
        model.through_blocks(tokens, way)
        self._prefilled = True

    def _attends(self, step: int, start: int, ahead: int) -> list[Attend]:
        """For each layer: write this block into its ring, then attend to all of the ring and the condition."""
        config = self.transformer.config
        reference = max(config.reference_time, start + ahead)
        condition = self._condition_factors(reference, start if config.motion_follows else 0)
        h, w = self.scene.reference.shape[-2:]
        own = self.transformer.rope.factors(
            self.transformer.latent_places(start, self.block, h, w)
        ).to(self.scene.reference.device)
        attends = []
        for ring, (k, v) in zip(self.rings[step], self.condition, strict=True):
            ring.set_condition(rotate(k, condition), v)
            attends.append(attend_ring(ring, own, start, start + self.block))
        return attends

    def _condition_factors(self, reference: int, motion_before: int) -> Tensor:
        model = self.transformer
        h, w = self.scene.reference.shape[-2:]
        places = torch.cat(
            [model.latent_places(reference, 1, h, w), model.motion_places(motion_before, h, w)]
        )
        return model.rope.factors(places).to(self.scene.reference.device)

    def _ring_shape(self) -> RingShape:
        model = self.transformer
        b, _, _, h, w = self.scene.reference.shape
        tokens = model.tokens_per_latent(h, w)
        condition = tokens + len(model.motion_places(0, h, w))
        heads = model.config.num_heads
        head_dim = model.config.dim // heads
        return RingShape(b, heads, head_dim, condition, self.latents, tokens)


def attend_ring(ring: Ring, own: Tensor, start: int, until: int) -> Attend:
    """Attention of a block to itself, to the frames before it and to the condition, through its ring."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        ring.push(start, rotate(k, own), v)
        q = rearrange(rotate(q, own), "b l n d -> b n l d")
        return rearrange(attend_heads(q, *ring.read(until)), "b n l d -> b l n d")

    return attend


def attend_and_keep(kept: list[tuple[Tensor, Tensor]], factors: Tensor) -> Attend:
    """Attention of the condition to itself; its unrotated keys and its values are kept."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        kept.append((k, v))
        return attend_all(rotate(q, factors), rotate(k, factors), v)

    return attend
