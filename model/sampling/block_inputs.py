"""What a block of latents takes through the layers beside its tokens: where it stands, what is heard and seen in it, its prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.kv.kv_window import BlockPosition
from model.s2v.audio_injector import AudioStates
from model.s2v.conditioning import Conditioning
from model.s2v.transformer import S2VTransformer, TextStates


@dataclass(frozen=True)
class BlockConditioning:
    """Sound, speakers' masks [speaker, token] and pose latents [1, c, t, h, w] of one block, the same at all of its steps."""

    audio: list[AudioStates]
    masks: Tensor | None
    pose: Tensor | None


@dataclass(frozen=True)
class BlockInputs:
    """What a block takes through the layers beside its tokens."""

    given: BlockConditioning
    place: BlockPosition
    text: TextStates

    def parts(self, tokens: Tensor) -> list[Tensor]:
        """The tensors that are others from block to block, the tokens first."""
        masks = [] if self.given.masks is None else [self.given.masks]
        states = [part for one in self.given.audio for part in one.parts]
        return [tokens, self.place.own, self.place.condition, *masks, *states]

    def with_parts(self, parts: Sequence[Tensor]) -> "BlockInputs":
        """These inputs with tensors from elsewhere, in the order of `parts`."""
        _, own, condition, *states = parts
        masks = None if self.given.masks is None else states.pop(0)
        given = BlockConditioning(AudioStates.from_parts(states), masks, self.given.pose)
        return BlockInputs(given, BlockPosition(self.place.start, own, condition), self.text)


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
