"""What stands for the prompt at each block of a film, by its own prompt and the changes of its schedule: states, mixed while one fades into the next. Without torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from model.avatar import Float, Named
from model.prompt_schedule import PromptChange

TEXT_SPANS, CHANGED_TEXT = "text_spans", "changed_text"
"""Encoded inputs of a film that has a schedule: first block, blocks of fade and number of the prompt [change, 3], and the states [token, dim] of each prompt, `changed_text.0` and so on."""

Mix = tuple[tuple[int, float], ...]
"""What holds at a block: numbers of prompts (-1: the film's own), each with how much of what was before it is to be replaced."""


@dataclass(frozen=True)
class TextSchedule:
    """The prompt's states of a whole film."""

    own: Float
    """Those of the film's own prompt [token, dim]."""
    prompts: tuple[Float, ...]
    """Those of each other prompt, once, however often it holds."""
    changes: tuple[tuple[PromptChange, int], ...]
    """The spans of the changes (words are in `prompts`), each with the number of its prompt."""

    @classmethod
    def from_inputs(cls, inputs: Named) -> Self:
        """The schedule of encoded inputs; without changes where these have none."""
        own, spans = np.asarray(inputs["text"], np.float32), inputs.get(TEXT_SPANS)
        if spans is None:
            return cls(own, (), ())
        count = int(spans[:, 2].max()) + 1
        prompts = (np.asarray(inputs[f"{CHANGED_TEXT}.{n}"], np.float32) for n in range(count))
        changes = (
            (PromptChange(block, fade, 100, 100, ""), prompt)
            for block, fade, prompt in spans.tolist()
        )
        return cls(own, tuple(prompts), tuple(changes))

    def mix_at(self, block: int) -> Mix:
        """What holds at a block of the whole film, whichever blocks were asked for before; of equal mixes the states are equal."""
        mix: list[tuple[int, float]] = [(-1, 1.0)]
        for change, prompt in self.changes:
            share = change.share_at(block)
            mix = [(prompt, 1.0)] if share == 1 else [*mix, (prompt, share)] if share else mix
        return tuple(mix)

    def states_of(self, mix: Mix) -> Float:
        """The states [token, dim] of a mix: where it has more than one prompt, token by token between them, zeros standing behind the end of the shorter."""
        states = self._prompt(mix[0][0])
        for prompt, share in mix[1:]:
            other = self._prompt(prompt)
            length = max(len(states), len(other))
            states, other = _fill_up(states, length), _fill_up(other, length)
            states = states + np.float32(share) * (other - states)
        return states

    def _prompt(self, number: int) -> Float:
        return self.own if number < 0 else self.prompts[number]


def encode_changes(changes: Sequence[PromptChange], encode: Callable[[str], Float]) -> Named:
    """A schedule as encoded inputs, each prompt encoded once by `encode` ([token, dim], zeros after its end); nothing where there is none."""
    if not changes:
        return {}
    numbers = {words: n for n, words in enumerate(dict.fromkeys(each.prompt for each in changes))}
    spans = [(each.block, each.fade, numbers[each.prompt]) for each in changes]
    texts = {f"{CHANGED_TEXT}.{n}": _cut_zeros(encode(words)) for words, n in numbers.items()}
    return {TEXT_SPANS: np.array(spans, np.int64), **texts}


def _cut_zeros(states: Float) -> Float:
    """States without the zeros that fill them up."""
    told = np.flatnonzero(states.any(-1))
    return states[: told[-1] + 1 if len(told) else 1].copy()


def _fill_up(states: Float, length: int) -> Float:
    return np.pad(states, ((0, length - len(states)), (0, 0)))
