"""NaN and outliers over a whole run, each with its clip, block, step and channel. Two passes: what is usual, from some clips; what is not, in all of them."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.inspection.block_statistics import (
    FLOORS,
    BlockIndex,
    BlockStatistics,
    UsualStatistics,
    measure_blocks,
    split_blocks,
)
from pipeline.inspection.location import Location, blocks_per_clip, locate_index
from pipeline.json_output import to_json
from storage.errors import Damaged, NotMade, Pruned

if TYPE_CHECKING:
    from storage.arrays import ClipArray
    from storage.run import Run

Kind = Literal["nan", "outlier", "damaged"]
SAMPLED_CLIPS = 48
"""Clips that say what is usual."""
SCORE_LIMIT = 6.0
"""Robust deviations beyond which a block stands out; docs/LOG.md has what films without fault come to."""
MOST_FINDS = 1000
"""Findings that are kept; more are counted."""
CLIPS_AT_ONCE = 16
"""Clips in memory."""


@dataclass(frozen=True)
class Anomaly:
    """A NaN, an outlier or a damaged file, with its place in the run."""

    kind: Kind
    place: Location
    says: str
    count: int
    """Values that are no number, where it is those."""
    score: float | None
    """How far out an outlier is, in robust deviations."""
    vouched: bool
    """True: it was made so, and its record vouches for it. False: the file is not what was written (`longtake verify`)."""


@dataclass(frozen=True)
class AnomalyReport:
    """What was found in a run."""

    run: str
    clips: int
    """That were looked through."""
    values: int
    found: tuple[Anomaly, ...]
    """The first of them, in the order in which the film is made; before them what is odd in all of it."""
    more: int
    """That are counted and not told."""
    strict: float = SCORE_LIMIT

    def as_json(self) -> str:
        """The report as one JSON object, for machines."""
        return to_json(self)


@dataclass(frozen=True)
class OutlyingBlock:
    """A block of a channel that stands out."""

    stage: str
    clip: int
    at: BlockIndex
    measure: str
    """By which it does; nan, or one of three."""
    score: float


def find_anomalies(run: "Run", watch: Callable[[int], None] = lambda _: None) -> AnomalyReport:
    """Search all arrays of a finished, running or crashed run; `watch` is told of each clip. Writes nothing."""
    usual = {
        stage: UsualStatistics.from_samples(_sample_clips(run, stage))
        for stage in ("steps", "latents")
    }
    found = [find for stage, one in usual.items() if one for find in _odd_channels(run, stage, one)]
    clips = values = more = 0
    for clip, stages in measured_clips(run):
        watch(clip)
        clips += 1
        for stage, measured in stages.items():
            if isinstance(measured, Damaged):
                found.append(
                    Anomaly("damaged", Location(stage, clip), str(measured), 0, None, False)
                )
                continue
            values += measured.values
            for outlier in _outlying_blocks(stage, clip, measured, usual.get(stage)):
                if len(found) < MOST_FINDS:
                    found.append(_describe_anomaly(run, outlier, measured, usual.get(stage)))
                else:
                    more += 1
    return AnomalyReport(str(run.root), clips, values, tuple(found), more)


def measured_clips(run: "Run") -> "Iterator[tuple[int, dict[str, BlockStatistics | Damaged]]]":
    """Statistics of every clip that has anything, computed by a few threads: CLIPS_AT_ONCE clips in memory, whatever the film's length."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        rest = iter(sorted(_recorded_clips(run)))
        while several := list(islice(rest, CLIPS_AT_ONCE)):
            measured = pool.map(lambda clip: _measure_clip(run, clip), several)
            yield from ((clip, one) for clip, one in zip(several, measured, strict=True) if one)


def _float_stages(run: "Run") -> tuple[str, ...]:
    """Names of the arrays of floats, in the order in which they are made."""
    return ("audio", "steps", "latents", *(["motion"] if run.spec.motion_latents else []))


def _recorded_clips(run: "Run") -> set[int]:
    """The clips that any array of floats has a record for."""
    recorded = (
        clip for stage in _float_stages(run) for clip in run.records.clips_with_record(stage)
    )
    return {clip for clip in recorded if clip < run.spec.clips}


def _measure_clip(run: "Run", clip: int) -> "dict[str, BlockStatistics | Damaged]":
    """Statistics of a clip by stage, in the order in which the stages are made; Damaged for a file that cannot be read."""
    found: dict[str, BlockStatistics | Damaged] = {}
    for stage in _float_stages(run):
        with suppress(NotMade, Pruned):
            try:
                # Unchecked: hashing all would take longer than looking, and is asked of what is found.
                array = getattr(run, stage).view(clip, checked=False)
                found[stage] = measure_blocks(run, stage, array)
            except Damaged as damage:
                found[stage] = damage
    return found


def _sample_clips(run: "Run", stage: str) -> Iterator[BlockStatistics]:
    array: ClipArray = getattr(run, stage)
    for clip in sorted({round(n) for n in np.linspace(0, run.spec.clips - 1, SAMPLED_CLIPS)}):
        with suppress(NotMade, Pruned, Damaged):
            yield measure_blocks(run, stage, array.view(clip, checked=False))


def _odd_channels(run: "Run", stage: str, usual: UsualStatistics) -> Iterator[Anomaly]:
    for step, channel, says, score in usual.odd_channels():
        if score > SCORE_LIMIT:
            at = step if stage == "steps" else run.spec.steps - 1
            yield Anomaly(
                "outlier",
                Location(stage, None, None, at, channel),
                says,
                0,
                round(score, 1),
                vouched=True,
            )


def _outlying_blocks(
    stage: str, clip: int, measured: BlockStatistics, usual: UsualStatistics | None
) -> Iterator[OutlyingBlock]:
    """The blocks that stand out in one stage of a clip: block by block, step by step."""
    bad = measured.nan > 0
    scores = usual.score(measured) if usual else np.zeros((1, *bad.shape))
    most, by = scores.max(0), scores.argmax(0)
    for block, step, channel in np.argwhere((bad | (most > SCORE_LIMIT)).transpose(2, 0, 1)):
        at = (int(step), int(channel), int(block))
        name = "nan" if bad[at] else list(FLOORS)[by[at]]
        yield OutlyingBlock(stage, clip, at, name, float(most[at]))


def _describe_anomaly(
    run: "Run", outlier: OutlyingBlock, measured: BlockStatistics, usual: UsualStatistics | None
) -> Anomaly:
    array: ClipArray = getattr(run, outlier.stage)
    vouched = _is_vouched(array, outlier.clip)
    values = split_blocks(run, outlier.stage, array.view(outlier.clip, checked=False))[outlier.at]
    if outlier.measure == "nan":
        place = _locate_number(run, outlier, tuple(np.argwhere(~np.isfinite(values))[0]))
        count = int(measured.nan[outlier.at])
        says = f"{count} of {values.size} values NaN or infinite"
        return Anomaly("nan", place, says, count, None, vouched)
    assert usual is not None
    first = _locate_number(run, outlier, (0,) * values.ndim)
    place = Location(outlier.stage, outlier.clip, first.block, first.step, first.channel)
    says = usual.describe(outlier.measure, measured, outlier.at)
    return Anomaly("outlier", place, says, 0, round(outlier.score, 1), vouched)


def _locate_number(run: "Run", outlier: OutlyingBlock, inside: tuple[int, ...]) -> Location:
    """The place of a number in the run, by its index inside of an outlying block."""
    step, channel, block = outlier.at
    before = (step, channel) if outlier.stage in {"audio", "steps"} else (channel,)
    length = getattr(run, outlier.stage).shape[len(before)]
    each = length if outlier.stage == "motion" else length // blocks_per_clip(run.spec)
    index = (*before, block * each + int(inside[0]), *(int(n) for n in inside[1:]))
    return locate_index(run.spec, outlier.stage, outlier.clip, index)


def _is_vouched(array: "ClipArray", clip: int) -> bool:
    try:
        array.view(clip)
    except (Damaged, NotMade, Pruned):
        return False
    return True
