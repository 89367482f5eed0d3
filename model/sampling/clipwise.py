"""The clip-wise loop of Wan2.2-S2V (arXiv 2508.18621): a whole clip at once, everything sees everything, and the clip before is seen as motion latents.

The screen to read is `denoise`: for each step, one forward of all tokens with the prompt and the sound, and one without, for the guidance.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.avatar import Denoised, Float
from model.kv import quantized_kv
from model.kv.kv_cache import from_bits, to_bits
from model.kv.kv_shape import TILE, PackedSizes
from model.kv.packed import PackedKV, SeenKV, VisibleRows
from model.s2v.attention import Attend, attend_all
from model.s2v.audio_injector import AudioStates
from model.s2v.conditioning import Conditioning
from model.s2v.rope import apply_rope
from model.s2v.transformer import EmbeddedTime, ForwardContext, S2VTransformer, TextStates
from model.sampling.noise import NoiseSource
from model.sampling.prompt_states import PromptStates
from model.sampling.schedule import Schedule
from storage.errors import LongtakeError

Exchange = Callable[[Tensor], Tensor]
"""Part i of [rank, …] is handed to rank i; what it gives are those for this one [rank, …]."""


@dataclass(frozen=True)
class Guidance:
    """How far the velocity goes from what it is without prompt and sound; 1 is no guidance and costs no second forward."""

    scale: float
    negative: Tensor | None = None
    """States [1, l, text_dim] of what the film shall not look like."""


@dataclass(frozen=True)
class ClipConditioning:
    """Keys and values of a prompt at every layer, and of the sound at every injector layer: what one forward is conditioned on."""

    text: TextStates
    audio: list[AudioStates]


@dataclass(frozen=True)
class ClipContext:
    """What stays the same for all forwards of a clip."""

    condition: Tensor
    """Tokens [1, l, dim] of reference and motion."""
    attend: Attend
    pose: Tensor | None
    masks: Tensor | None


class ClipwiseDenoiser:
    """A film in the making. All that goes from clip to clip are the motion latents, which only the decoder can give: the last decoded frames, encoded anew."""

    def __init__(
        self,
        transformer: S2VTransformer,
        schedule: Schedule,
        conditioning: Conditioning,
        noise: NoiseSource,
        guidance: Guidance,
    ) -> None:
        self.transformer, self.schedule, self.conditioning, self.noise, self.guidance = (
            transformer, schedule, conditioning, noise, guidance,
        )  # fmt: skip
        with torch.inference_mode():
            *self.times, self.time_zero = transformer.embed_times((*schedule.timesteps, 0.0))
            self._prompt = PromptStates(transformer, conditioning)
            guided = guidance.scale != 1
            self.negative = transformer.embed_text(guidance.negative) if guided else []
        self._branch: int | None = None
        self._clip = 0
        self.motion: Tensor | None = None
        self.restore(0, ())

    def share_guidance(self, branch: int, exchange: Exchange) -> None:
        """Compute one forward of each step alone, 0 with prompt and sound or 1 without; another rank computes the other, and both go on from both."""
        self._branch, self._exchange = branch, exchange

    @property
    def next_clip(self) -> int:
        """The clip that `denoise` makes next."""
        return self._clip

    @torch.inference_mode()
    def denoise(self, audio: Float) -> Denoised:
        """Make the next clip from its features [layer, channel, frame], or [speaker, layer, channel, frame] where the conditioning has masks.

        Every clip but the first needs the end of the decoded one before it (`restore`), and raises LongtakeError without.
        """
        context = self._build_context()
        conditional, unconditional = self._build_conditioning(self.conditioning.audio_tensor(audio))
        x, solve, steps = self._draw_noise(), self.schedule.begin(), []
        for step, time in enumerate(self.times):
            if unconditional is None:
                velocity = self._velocity(x, time, context, conditional)
            else:
                given = (conditional, unconditional)
                velocity, base = self._velocities(x, time, context, given)
                velocity = base + self.guidance.scale * (velocity - base)
            x = solve(step, velocity, x)
            steps.append(x[0].float().cpu().numpy())
        self._clip, self.motion = self._clip + 1, None
        return Denoised(steps[-1].copy(), np.stack(steps))

    def carry(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """What the next clip takes from the one before, "motion" [c, m, h, w], once it has been handed over; before that there is nothing."""
        if self.motion is not None:
            yield "motion", to_bits(self.motion[0])

    def restore(self, clip: int, carry: Iterable[tuple[str, NDArray[np.generic]]]) -> None:
        """Stand before `clip`, with its "motion" [c, m, h, w] if it is there; `restore(0, ())` starts over.

        The motion is the last decoded frames as the VAE encodes them anew: 73 frames, 19 latents as published.
        """
        past = self.conditioning.motion
        self._clip, self.motion = clip, past if clip == 0 and past.shape[2] else None
        for name, bits in carry:
            if name == "motion":
                self._set_motion(from_bits(bits))  # type: ignore[arg-type]

    def _set_motion(self, motion: Tensor) -> None:
        reference = self.conditioning.reference
        if motion.ndim != 4 or motion[:, :1].shape != reference[0].shape:
            has, needs = tuple(motion.shape), (reference.shape[1], "m", *reference.shape[3:])
            raise LongtakeError(f"Motion latents {has} do not fit a film of latents {needs}.")
        self.motion = motion[None].to(reference.device)

    def _build_context(self) -> ClipContext:
        """Where everything of a clip stands: its latents from time 0, the reference at its own time, the motion before 0."""
        if self._clip and self.motion is None:
            raise LongtakeError(
                f"Clip {self._clip} follows clip {self._clip - 1} as it was decoded: hand over its last latents with restore."
            )
        model, conditioning = self.transformer, self.conditioning
        (h, w), count = conditioning.reference.shape[-2:], conditioning.clip_latents
        positions = [
            model.latent_positions(0, count, h, w),
            model.latent_positions(model.config.reference_time, 1, h, w),
        ]
        if self.motion is not None:
            positions.append(model.motion_positions(0, h, w))
        return ClipContext(
            model.embed_condition(conditioning.reference, self.motion),
            (attend_packed if model.is_fp8 else attend_rotated)(model.factors(*positions)),
            conditioning.pose_of(self._clip),
            conditioning.token_masks(count),
        )

    def _build_conditioning(
        self, features: Tensor
    ) -> tuple[ClipConditioning, ClipConditioning | None]:
        """With prompt and sound, and what guidance goes away from: the negative prompt and features of zeros (which are not silence)."""
        # A clip is denoised at once, so it has the prompt of its first block throughout.
        first = self._clip * self.conditioning.clip_latents
        text = self._prompt.at_block(first)
        conditional = ClipConditioning(text, self.transformer.embed_audio(features))
        if self.guidance.scale == 1:
            return conditional, None
        return conditional, ClipConditioning(
            self.negative, self.transformer.embed_audio(torch.zeros_like(features))
        )

    def _velocities(
        self, x: Tensor, time: EmbeddedTime, context: ClipContext, given: Sequence[ClipConditioning]
    ) -> Sequence[Tensor]:
        """The velocities of both forwards, whoever computes them."""
        if self._branch is None:
            return [self._velocity(x, time, context, each) for each in given]
        own = self._velocity(x, time, context, given[self._branch])
        return list(self._exchange(torch.stack([own] * len(given))))

    def _velocity(
        self, x: Tensor, time: EmbeddedTime, context: ClipContext, given: ClipConditioning
    ) -> Tensor:
        """One forward: noisy tokens follow the timestep, reference and motion follow t = 0."""
        model = self.transformer
        noisy = model.embed_noisy(x, context.pose)
        lengths = (noisy.shape[1], context.condition.shape[1])
        attends = [context.attend] * len(model.blocks)
        forward = ForwardContext(
            (time, self.time_zero), lengths, attends, given.text, given.audio, context.masks
        )
        tokens = model.through_blocks(torch.cat([noisy, context.condition], 1), forward)
        return model.to_velocity(tokens[:, : lengths[0]], time, x.shape[2:])

    def _draw_noise(self) -> Tensor:
        _, c, _, h, w = self.conditioning.reference.shape
        noise = self.noise.noise(self._clip, 0, (c, self.conditioning.clip_latents, h, w))
        like = self.conditioning.reference.device, self.transformer.latents_precision
        return torch.from_numpy(noise)[None].to(*like)


def attend_rotated(factors: Tensor) -> Attend:
    """Attention of all tokens to all tokens, at their positions."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend_all(apply_rope(q, factors), apply_rope(k, factors), v)

    return attend


def attend_packed(factors: Tensor) -> Attend:
    """attend_rotated in eight bits: keys, queries, values and shares are rounded (model/kv/quantized_kv.py)."""
    room: list[PackedKV] = []

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        b, rows, heads, d = k.shape
        if not room:
            # One for all layers: nobody looks back.
            room.append(quantized_kv.allocate_packed(PackedSizes(b, heads, rows, d), k.device))
        window, none = room[0], PackedKV(*(part[None][:0] for part in room[0]))
        quantized_kv.pack_kv(k, v, factors, window)
        seen = SeenKV(window, none, VisibleRows(rows, TILE, 0))
        return quantized_kv.attend_packed(q, factors, seen)

    return attend
