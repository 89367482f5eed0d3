"""A film's prompt schedule: from which block of latents on which prompt holds. Without torch.

As text, which is what a spec has, a change is a line: its first block (and :seed, where it has one), blocks of fade, expression and gesture in per cent, prompt.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class PromptChange:
    """From one block of the film on, another prompt."""

    block: int
    """The first that has anything of it, counted from the film's beginning."""
    fade: int
    """So many blocks, from the first on, are a mix of what was before and of the prompt."""
    expression: int
    """Per cent of the expressions that the prompt asks for."""
    gesture: int
    """Per cent of nods, shakes and liveliness."""
    prompt: str
    """One line; empty asks for nothing."""
    seed: int | None = None
    """That of the noise from the first block on; None: the film's own."""

    def share_at(self, block: int) -> float:
        """How much of what holds at a block this prompt is, 0 before its first: thirds where the fade is two blocks."""
        return min(max((block - self.block + 1) / (self.fade + 1), 0.0), 1.0)


def format_changes(changes: Iterable[PromptChange]) -> str:
    """The changes as text, which `parse_changes` reads."""
    return "".join(
        f"{each.block}{'' if each.seed is None else f':{each.seed}'} {each.fade} {each.expression} {each.gesture} {each.prompt}\n"
        for each in changes
    )


def parse_changes(text: str) -> tuple[PromptChange, ...]:
    """The changes of a spec's text."""
    return tuple(_parse_change(line) for line in text.split("\n") if line)


def _parse_change(line: str) -> PromptChange:
    place, fade, expression, gesture, prompt = line.split(" ", 4)
    block, _, seed = place.partition(":")
    strengths = int(expression), int(gesture)
    return PromptChange(int(block), int(fade), *strengths, prompt, int(seed) if seed else None)
