"""A script laid on a film: times become the blocks of latents from which prompts hold."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from model.prompt_schedule import PromptChange, format_changes
from storage.errors import BadOption
from tasks.request import Request
from tasks.script_file import ScriptEntry, read_script
from tasks.timeline import count_frames, format_duration, time_of_block

if TYPE_CHECKING:
    from model.avatar import ModelTraits

FADE = 0
"""Blocks, unless the script says otherwise: a face takes two or three by itself to get from one expression to another."""


def build_script(request: Request, traits: "ModelTraits", seconds: Fraction, frames: int) -> str:
    """The changes of prompt of a film of `frames` frames whose sound lasts `seconds`, as the spec has them; empty without a script. Raises BadOption."""
    if request.script is None:
        return ""
    entries = read_script(request.script)
    try:
        _require_understood(entries, traits)
        whole = count_frames(seconds, traits.fps)
        last = (whole - 1) // unit_frames(traits) * blocks_per_unit(traits)
        _require_inside(entries, Fraction(whole, traits.fps))
        changes = list(
            _lay_entries(entries, traits, " ".join((request.prompt or "").split()), last)
        )
        _require_apart(changes, traits)
    except ValueError as error:
        raise BadOption("--script", request.script, str(error)) from None
    # A film of fewer clips than the sound has is the beginning of the whole one.
    return format_changes(each for each in changes if each.block * traits.block_frames < frames)


def _require_inside(entries: list[ScriptEntry], end: Fraction) -> None:
    for n, each in enumerate(entries, 1):
        last = each.start if each.until is None else each.until
        # The end of a sound is seldom a whole frame, and a subtitle may end there.
        if each.start >= end or last > end + Fraction(1, 10):
            raise ValueError(f"entry {n} lies past the end: the film lasts {format_duration(end)}")


def _lay_entries(
    entries: list[ScriptEntry], traits: "ModelTraits", prompt: str, last: int
) -> Iterator[PromptChange]:
    """A change for the beginning of each entry, and one back to the film's own prompt where an entry ends and none begins; `last` is the film's last block."""
    for n, each in enumerate(entries):
        fade = FADE if each.fade is None else each.fade
        first = min(nearest_block(each.start, traits), last)
        strengths = each.expression, each.gesture
        yield PromptChange(first, fade if first else 0, *strengths, each.prompt, each.seed)
        following = entries[n + 1].start if n + 1 < len(entries) else None
        if each.until is None:
            continue
        back = nearest_block(each.until, traits)
        if following is None or back < nearest_block(following, traits):
            yield PromptChange(back, fade, 100, 100, prompt)


def unit_frames(traits: "ModelTraits") -> int:
    """Frames that have one prompt: a block's; of a model that denoises a clip at once, a clip's."""
    return traits.block_frames if traits.decodes_offline else traits.clip_frames


def blocks_per_unit(traits: "ModelTraits") -> int:
    """Blocks that have one prompt."""
    return unit_frames(traits) // traits.block_frames


def nearest_block(time: Fraction, traits: "ModelTraits") -> int:
    """The block whose beginning is nearest to a time, of those where the prompt may change."""
    unit = int(time * traits.fps / unit_frames(traits) + Fraction(1, 2))
    return unit * blocks_per_unit(traits)


def _require_understood(entries: list[ScriptEntry], traits: "ModelTraits") -> None:
    """Raise ValueError where an entry asks for what the model cannot do."""
    for n, each in enumerate(entries, 1):
        if not traits.reads_words and (each.expression, each.gesture) != (100, 100):
            raise ValueError(
                f"entry {n} says how strong expression or gesture are, and {traits.name} takes a prompt as it is: leave that out, or say it in the prompt"
            )
        if not traits.decodes_offline and each.fade:
            raise ValueError(
                f"entry {n} fades, and the prompt of {traits.name} changes from clip to clip: leave fade out"
            )


def _require_apart(changes: list[PromptChange], traits: "ModelTraits") -> None:
    """Raise ValueError where two changes begin in one block."""
    for one, other in pairwise(changes):
        if other.block <= one.block:
            at = format_duration(time_of_block(one.block, traits.block_frames, traits.fps))
            block = float(Fraction(unit_frames(traits), traits.fps))
            raise ValueError(
                f"two changes about {at} are nearer than {block:g} s, which each takes"
            )
