"""A film's prompt schedule in words: what is asked of the presenter when."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.prompt_schedule import parse_changes
from storage.errors import count_noun
from tasks.timeline import clock_tenths, time_of_block

if TYPE_CHECKING:
    from storage.spec import Spec


@dataclass(frozen=True)
class ScriptedPrompt:
    """From a time in the film on, another prompt."""

    seconds: float
    """When the first block of latents that has anything of it begins."""
    clock: str
    """The same as h:mm:ss.s."""
    prompt: str
    expression: int
    gesture: int
    """Per cent of what the prompt asks for."""
    fade: int
    """Blocks that are a mix with what was before."""
    seed: int | None = None
    """Of the noise from then on; None: the film's own."""

    def __str__(self) -> str:
        """`0:00:04.3 She is sad. (expression 50 %)`; a prompt that is empty is a dash."""
        told = [f"{name} {share} %" for name, share in self._strengths() if share != 100]
        told += [f"fade {self.fade}"] if self.fade else []
        told += [] if self.seed is None else [f"seed {self.seed}"]
        return f"{self.clock} {self.prompt or '–'}" + (f" ({', '.join(told)})" if told else "")

    def _strengths(self) -> tuple[tuple[str, int], ...]:
        return ("expression", self.expression), ("gesture", self.gesture)


def list_prompts(spec: "Spec") -> tuple[ScriptedPrompt, ...]:
    """The prompts of a film's schedule in their order; none where one prompt holds throughout."""
    found = []
    for each in parse_changes(spec.script):
        time = time_of_block(each.block, spec.block_frames, spec.fps)
        more = (each.expression, each.gesture, each.fade, each.seed)
        found.append(ScriptedPrompt(float(time), clock_tenths(time), each.prompt, *more))
    return tuple(found)


def describe_place(prompts: Sequence[ScriptedPrompt], seconds: float) -> str:
    """`change 2 of 20, 0:00:04.3 She is sad.`: which of a film's changes holds at a time."""
    count = sum(each.seconds <= seconds for each in prompts)
    if not count:
        return f"{count_noun(len(prompts), 'change')}, the first at {prompts[0].clock}"
    return f"change {count} of {len(prompts)}, {prompts[count - 1]}"
