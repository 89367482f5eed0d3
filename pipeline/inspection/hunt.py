"""NaN and outliers over a whole run, each with its clip, block, step and channel. Two passes: what is usual, from some clips; what is not, in all of them."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.inspection.measures import FLOORS, At, Measured, Usual, in_blocks, measure
from pipeline.inspection.place import Place, blocks_of, place_of
from pipeline.jsontext import to_json
from storage.errors import Damaged, NotMade, Pruned

if TYPE_CHECKING:
    from storage.arrays import ClipArray
    from storage.run import Run

Kind = Literal["nan", "outlier", "damaged"]
LESSONS = 48
"""Clips that say what is usual."""
STRICT = 6.0
"""Robust deviations beyond which a block stands out; docs/LOG.md has what films without fault come to."""
KEPT = 1000
"""Findings that are kept; more are counted."""
AT_ONCE = 16
"""Clips in memory."""


@dataclass(frozen=True)
class Find:
    """Something that does not belong there."""

    kind: Kind
    place: Place
    says: str
    count: int
    """Values that are no number, where it is those."""
    score: float | None
    """How far out an outlier is, in robust deviations."""
    vouched: bool
    """True: it was made so, and its record vouches for it. False: the file is not what was written (`longtake verify`)."""


@dataclass(frozen=True)
class Hunt:
    """What was found in a run."""

    run: str
    clips: int
    """That were looked through."""
    values: int
    found: tuple[Find, ...]
    """The first of them, in the order in which the film is made; before them what is odd in all of it."""
    more: int
    """That are counted and not told."""
    strict: float = STRICT

    def as_json(self) -> str:
        """The same, for machines."""
        return to_json(self)


@dataclass(frozen=True)
class Spot:
    """A block of a channel that stands out."""

    stage: str
    clip: int
    at: At
    measure: str
    """By which it does; nan, or one of three."""
    score: float


def hunt(run: "Run", watch: Callable[[int], None] = lambda _: None) -> Hunt:
    """Look through all that there is of a finished, running or crashed run; `watch` is told of each clip. Writes nothing."""
    usual = {stage: Usual.of(_lessons(run, stage)) for stage in ("steps", "latents")}
    found = [find for stage, one in usual.items() if one for find in _odd(run, stage, one)]
    clips = values = more = 0
    for clip, stages in measured_clips(run):
        watch(clip)
        clips += 1
        for stage, measured in stages.items():
            if isinstance(measured, Damaged):
                found.append(Find("damaged", Place(stage, clip), str(measured), 0, None, False))
                continue
            values += measured.values
            for spot in _spots(stage, clip, measured, usual.get(stage)):
                if len(found) < KEPT:
                    found.append(_describe(run, spot, measured, usual.get(stage)))
                else:
                    more += 1
    return Hunt(str(run.root), clips, values, tuple(found), more)


def measured_clips(run: "Run") -> "Iterator[tuple[int, dict[str, Measured | Damaged]]]":
    """Every clip that has anything, measured by a few threads: AT_ONCE clips in memory, whatever the film's length."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        rest = iter(sorted(_named(run)))
        while several := list(islice(rest, AT_ONCE)):
            measured = pool.map(lambda clip: _measured(run, clip), several)
            yield from ((clip, one) for clip, one in zip(several, measured, strict=True) if one)


def _stages(run: "Run") -> tuple[str, ...]:
    """The arrays of floats, in the order in which they are made."""
    return ("audio", "steps", "latents", *(["motion"] if run.spec.motion_latents else []))


def _named(run: "Run") -> set[int]:
    """The clips that there is a record of any of them for."""
    named = (clip for stage in _stages(run) for clip in run.records.named(stage))
    return {clip for clip in named if clip < run.spec.clips}


def _measured(run: "Run", clip: int) -> "dict[str, Measured | Damaged]":
    """The arrays of floats of a clip, in the order in which they are made."""
    found: dict[str, Measured | Damaged] = {}
    for stage in _stages(run):
        with suppress(NotMade, Pruned):
            try:
                # Unchecked: hashing all would take longer than looking, and is asked of what is found.
                array = getattr(run, stage).view(clip, checked=False)
                found[stage] = measure(run, stage, array)
            except Damaged as damage:
                found[stage] = damage
    return found


def _lessons(run: "Run", stage: str) -> Iterator[Measured]:
    array: ClipArray = getattr(run, stage)
    for clip in sorted({round(n) for n in np.linspace(0, run.spec.clips - 1, LESSONS)}):
        with suppress(NotMade, Pruned, Damaged):
            yield measure(run, stage, array.view(clip, checked=False))


def _odd(run: "Run", stage: str, usual: Usual) -> Iterator[Find]:
    for step, channel, says, score in usual.odd_channels():
        if score > STRICT:
            at = step if stage == "steps" else run.spec.steps - 1
            yield Find(
                "outlier",
                Place(stage, None, None, at, channel),
                says,
                0,
                round(score, 1),
                vouched=True,
            )


def _spots(stage: str, clip: int, measured: Measured, usual: Usual | None) -> Iterator[Spot]:
    """What stands out of one stage of a clip: block by block, step by step."""
    bad = measured.nan > 0
    scores = usual.score(measured) if usual else np.zeros((1, *bad.shape))
    most, by = scores.max(0), scores.argmax(0)
    for block, step, channel in np.argwhere((bad | (most > STRICT)).transpose(2, 0, 1)):
        at = (int(step), int(channel), int(block))
        name = "nan" if bad[at] else list(FLOORS)[by[at]]
        yield Spot(stage, clip, at, name, float(most[at]))


def _describe(run: "Run", spot: Spot, measured: Measured, usual: Usual | None) -> Find:
    array: ClipArray = getattr(run, spot.stage)
    vouched = _is_vouched(array, spot.clip)
    values = in_blocks(run, spot.stage, array.view(spot.clip, checked=False))[spot.at]
    if spot.measure == "nan":
        place = _place(run, spot, tuple(np.argwhere(~np.isfinite(values))[0]))
        count = int(measured.nan[spot.at])
        says = f"{count} of {values.size} values NaN or infinite"
        return Find("nan", place, says, count, None, vouched)
    assert usual is not None
    first = _place(run, spot, (0,) * values.ndim)
    place = Place(spot.stage, spot.clip, first.block, first.step, first.channel)
    says = usual.words(spot.measure, measured, spot.at)
    return Find("outlier", place, says, 0, round(spot.score, 1), vouched)


def _place(run: "Run", spot: Spot, inside: tuple[int, ...]) -> Place:
    """Of a number by its index in its block."""
    step, channel, block = spot.at
    before = (step, channel) if spot.stage in {"audio", "steps"} else (channel,)
    length = getattr(run, spot.stage).shape[len(before)]
    each = length if spot.stage == "motion" else length // blocks_of(run.spec)
    index = (*before, block * each + int(inside[0]), *(int(n) for n in inside[1:]))
    return place_of(run.spec, spot.stage, spot.clip, index)


def _is_vouched(array: "ClipArray", clip: int) -> bool:
    try:
        array.view(clip)
    except (Damaged, NotMade, Pruned):
        return False
    return True
