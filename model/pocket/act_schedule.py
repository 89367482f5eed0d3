"""What pocket's presenter is asked to do at each block of a film, by its prompt and the changes of its schedule. Without torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from model.avatar import Float, Named
from model.pocket.acts import ACTS, EXPRESSIONS, GAINS, GESTURES
from model.pocket.prompts import PromptActs, read_prompt
from model.prompt_schedule import PromptChange

CHANGED_ACTS, CHANGE_SPANS = "changed_acts", "change_spans"
"""Encoded inputs of a film that has a schedule: the acts [change, A], and first block and blocks of fade [change, 2] of each change."""


@dataclass(frozen=True)
class ActSchedule:
    """The acts of a whole film."""

    first: Float
    """Those of the film's own prompt [A]."""
    acts: Float
    """Those of each change [change, A]."""
    changes: tuple[PromptChange, ...]
    """Their spans; words and strengths are in `acts`."""

    @classmethod
    def from_inputs(cls, inputs: Named) -> Self:
        """The schedule of encoded inputs; without changes where these have none."""
        first = np.asarray(inputs["acts"], np.float32)
        if CHANGED_ACTS not in inputs:
            return cls(first, np.zeros((0, len(first)), np.float32), ())
        spans = inputs[CHANGE_SPANS].tolist()
        changes = tuple(PromptChange(block, fade, 100, 100, "") for block, fade in spans)
        return cls(first, np.asarray(inputs[CHANGED_ACTS], np.float32), changes)

    def acts_at(self, block: int) -> Float:
        """The acts [A] at a block of the whole film, whichever blocks were asked for before."""
        acts = self.first
        for change, changed in zip(self.changes, self.acts, strict=True):
            if share := change.share_at(block):
                acts = changed if share == 1 else acts + np.float32(share) * (changed - acts)
        return acts


def encode_changes(changes: Sequence[PromptChange]) -> Named:
    """A schedule as encoded inputs; nothing where there is none."""
    if not changes:
        return {}
    return {
        CHANGED_ACTS: np.stack([_tell_acts(read_change(each).row) for each in changes]),
        CHANGE_SPANS: np.array([(each.block, each.fade) for each in changes], np.int64),
    }


def ask_acts(prompt: str) -> Float:
    """What the transformer is told [A] to make of a prompt's acts."""
    return _tell_acts(read_prompt(prompt).row)


def read_change(change: PromptChange) -> PromptActs:
    """What a change asks for: expressions and gestures of its prompt as strong as it says, but none stronger than `very`."""
    shares = dict.fromkeys(EXPRESSIONS, change.expression)
    shares |= dict.fromkeys(GESTURES, change.gesture)
    read = read_prompt(change.prompt)
    told = zip(ACTS, read.row, strict=True)
    row = (max(-1.0, min(1.0, act * shares.get(name, 100) / 100)) for name, act in told)
    return replace(read, row=tuple(row))


def _tell_acts(row: Sequence[float]) -> Float:
    gains = [GAINS.get(name, 1.0) for name in ACTS]
    return np.asarray(row, np.float32) * np.asarray(gains, np.float32)
