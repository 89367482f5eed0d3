"""What stays the same for a whole film, whichever loop makes it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor

from model.avatar import Float
from model.s2v.text_schedule import Mix, TextSchedule
from storage.errors import BadInput

Pose = Callable[[int], Tensor | None]
"""The pose latents [1, c, t, h, w] of a clip, by its number; None: zeros."""
Settle = Callable[[Tensor, Tensor], Tensor]
"""Latents [1, c, t, h, w] of a block whose noise is gone, and its features [1, layer, channel, frame], to what stands in the film."""


@dataclass(frozen=True)
class Conditioning:
    """Reference [1, c, 1, h, w], motion before clip 0 [1, c, m, h, w], prompt states [1, l, text_dim], latents of a clip."""

    reference: Tensor
    motion: Tensor
    """Zeros stand for what is missing of the latents that the model looks back on; none at all is no past for a clip-wise model."""
    text: Tensor | None
    clip_latents: int
    masks: Tensor | None = None
    """Where each of several speakers is heard [speaker, t, rows, columns], in tokens: 1 where no other one is. None: one speaker, everywhere."""
    pose: Pose | None = None
    schedule: TextSchedule | None = None
    """Which prompt holds when, where it is not `text` throughout."""
    settle: Settle | None = None

    def audio_tensor(self, audio: Float) -> Tensor:
        """Features [layer, channel, frame], or [speaker, layer, channel, frame] of several, as [speaker, …]; raises BadInput where masks do not fit."""
        speakers = 1 if audio.ndim == 3 else audio.shape[0]
        masks = 1 if self.masks is None else self.masks.shape[0]
        if speakers != masks:
            raise BadInput(
                f"{speakers} speakers need a mask each that says where they are: {masks} came."
            )
        return torch.from_numpy(audio.reshape(speakers, *audio.shape[-3:]))

    def token_masks(self, latents: int) -> Tensor | None:
        """The masks over the tokens of so many latents [speaker, (t rows columns)].

        They are always the first of `masks`, whichever block or clip it is, as in the reference; masks of one latent stand for all.
        """
        if self.masks is None:
            return None
        shown = self.masks[:, :latents].expand(-1, latents, -1, -1)
        return rearrange(shown.to(self.reference.device), "s t y x -> s (t y x)")

    def settled(self, latents: Tensor, features: Tensor) -> Tensor:
        """What stands in the film of a block's denoised latents [1, c, t, h, w] that were made of features [1, layer, channel, frame]: themselves, where no model says otherwise."""
        return latents if self.settle is None else self.settle(latents, features)

    def mix_at(self, block: int) -> Mix:
        """Which prompts hold at a block, counted from the film's beginning: what `text_of` takes; empty where `text` holds throughout."""
        return () if self.schedule is None else self.schedule.mix_at(block)

    def text_of(self, mix: Mix) -> Tensor | None:
        """The prompt states [1, l, text_dim] of what holds at a block."""
        if self.schedule is None:
            return self.text
        states = torch.from_numpy(self.schedule.states_of(mix))
        return states[None].to(self.reference.device)

    def pose_of(self, clip: int) -> Tensor | None:
        """The pose latents of a clip [1, c, t, h, w]; None: zeros."""
        return None if self.pose is None else self.pose(clip)
