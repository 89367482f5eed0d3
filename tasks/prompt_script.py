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
        whole = count_frames(seconds, traits.fps)
        last = (whole - 1) // traits.block_frames
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
        yield PromptChange(first, fade if first else 0, each.expression, each.gesture, each.prompt)
        following = entries[n + 1].start if n + 1 < len(entries) else None
        if each.until is None:
            continue
        back = nearest_block(each.until, traits)
        if following is None or back < nearest_block(following, traits):
            yield PromptChange(back, fade, 100, 100, prompt)


def nearest_block(time: Fraction, traits: "ModelTraits") -> int:
    """The block whose beginning is nearest to a time."""
    return int(time * traits.fps / traits.block_frames + Fraction(1, 2))


def _require_apart(changes: list[PromptChange], traits: "ModelTraits") -> None:
    """Raise ValueError where two changes begin in one block."""
    for one, other in pairwise(changes):
        if other.block <= one.block:
            at = format_duration(time_of_block(one.block, traits.block_frames, traits.fps))
            block = float(Fraction(traits.block_frames, traits.fps))
            raise ValueError(
                f"two changes about {at} are nearer than {block:g} s, which each takes"
            )
