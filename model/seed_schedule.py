"""Which seed holds from which block of a film on, where its script says so. Without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from model.prompt_schedule import PromptChange

if TYPE_CHECKING:
    from model.avatar import Named

BLOCK_SEEDS = "block_seeds"
"""Encoded input of a film whose script has seeds: the first block and the seed [change, 2] of each change, the film's own seed being that of block 0 before the first."""


@dataclass(frozen=True)
class SeedSchedule:
    """The seeds of a whole film as its script has them."""

    own: int
    """The film's."""
    changes: tuple[tuple[int, int], ...]
    """First block and seed of each change."""
    clip_blocks: int
    """Blocks of a clip."""

    @classmethod
    def from_inputs(cls, inputs: "Named", clip_blocks: int) -> Self | None:
        """The schedule of encoded inputs; None where these have none."""
        if BLOCK_SEEDS not in inputs:
            return None
        (_, own), *changes = (map(int, row) for row in inputs[BLOCK_SEEDS])
        return cls(own, tuple((block, seed) for block, seed in changes), clip_blocks)

    def seed_at(self, seed: int, clip: int, block: int) -> int:
        """The seed of a block of a clip that has this seed: the script's, unless the clip was made again with another than the film's own."""
        if seed != self.own:
            return seed
        place = clip * self.clip_blocks + block
        return next((told for first, told in reversed(self.changes) if first <= place), seed)


def encode_seeds(own: int, changes: Sequence[PromptChange]) -> "Mapping[str, np.ndarray]":
    """The seeds of a schedule as an encoded input; nothing where no change has one."""
    if all(each.seed is None for each in changes):
        return {}
    told = [(each.block, own if each.seed is None else each.seed) for each in changes]
    return {BLOCK_SEEDS: np.array([(0, own), *told], np.int64)}


def shift_seeds(inputs: "Named", by: int) -> "Named":
    """Seeds of a script, all so much higher: those of a further speaker, to be laid over its inputs; nothing where there are none."""
    if BLOCK_SEEDS not in inputs:
        return {}
    return {BLOCK_SEEDS: inputs[BLOCK_SEEDS] + np.array([0, by], np.int64)}
