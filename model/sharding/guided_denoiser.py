"""Rank 0 of a clip-wise film whose guidance two ranks share: each step's forward with prompt and sound is its own, the one without is the other's."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from model.avatar import Denoised, Float
from model.sampling.clipwise import ClipwiseDenoiser
from model.sharding.leader import Leader


class GuidedDenoiser:
    """The Denoiser of both ranks: latents of one, to the bit, as either computes what one computes."""

    clips_ahead = 0
    """A clip follows the decoded one before it."""

    def __init__(self, denoiser: ClipwiseDenoiser, leader: Leader) -> None:
        self._denoiser, self._leader = denoiser, leader
        denoiser.share_guidance(leader.links.rank, leader.links.exchange)

    @property
    def next_clip(self) -> int:
        """The clip that `denoise` makes next."""
        return self._denoiser.next_clip

    def begin_clip(self, audio: Float) -> None:
        """Nothing: a clip that was begun with the other rank, and is then given up, would leave that one waiting."""

    def denoise(self, audio: Float) -> Denoised:
        """Make the next clip from its features."""
        self._leader.begin_clip(self.next_clip, audio)
        return self._denoiser.denoise(audio)

    def carry(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """What the next clip takes from the one before, "motion"."""
        return self._denoiser.carry()

    def restore(self, clip: int, carry: Iterable[tuple[str, NDArray[np.generic]]]) -> None:
        """Stand before `clip` again, both ranks, with these pieces."""
        pieces = list(carry)
        self._leader.restore(clip, pieces)
        self._denoiser.restore(clip, pieces)
