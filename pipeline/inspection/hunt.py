"""NaN and outliers over a whole run, each with its clip, block, step and channel. Two passes: what is usual, from some clips; what is not, in all of them."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.inspection.clip import none_for_nan
from pipeline.inspection.place import Place, blocks_of, place_of
from storage.errors import Damaged, NotMade, Pruned

if TYPE_CHECKING:
    from storage.arrays import ClipArray
    from storage.run import Run

Kind = Literal["nan", "outlier", "damaged"]
LESSONS = 48
"""Clips that say what is usual."""
LEAST = 8
"""Blocks from which on anything is usual; a shorter film is searched for NaN alone."""
STRICT = 6.0
"""Robust deviations beyond which a block stands out; docs/LOG.md has what films without fault come to."""
KEPT = 1000
"""Findings that are kept; more are counted."""
APART = 0.3
"""What the spread of a channel may differ by from the others' over a whole film, as a share, without being told from theirs."""
AT_ONCE = 16
"""Clips in memory."""
FLOORS = {"mean": 0.05, "spread": 0.05, "peak": 0.1}
"""What a measure may move by without being told from standing still: the mean in spreads, the others as a share."""

Float = NDArray[np.float64]


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
    """The first of them, in the order in which the film is made."""
    more: int
    """That are counted and not told."""
    strict: float = STRICT

    def as_json(self) -> str:
        """The same, for machines."""
        rows = [
            {name: none_for_nan(value) for name, value in asdict(one).items()} for one in self.found
        ]
        return json.dumps({**asdict(self), "found": rows}, indent=2)


@dataclass(frozen=True)
class Measured:
    """Each block of one stage of one clip, [step, channel, block]."""

    nan: NDArray[np.int64]
    measures: dict[str, Float]
    """mean; spread (its logarithm); peak (the logarithm of the largest over the spread)."""
    values: int


@dataclass
class Usual:
    """What is usual of each channel after each step, by median and spread of all blocks that were seen."""

    middle: dict[str, Float] = field(default_factory=dict)
    width: dict[str, Float] = field(default_factory=dict)

    @classmethod
    def of(cls, seen: Iterable[Measured]) -> "Usual | None":
        """None where too little was seen."""
        several = list(seen)
        blocks = (
            {name: np.concatenate([each.measures[name] for each in several], -1) for name in FLOORS}
            if several
            else {}
        )
        if not several or blocks["mean"].shape[-1] < LEAST:
            return None
        usual = cls()
        with np.errstate(invalid="ignore"):
            typical = np.exp(np.nanmedian(blocks["spread"], -1))
        for name, values in blocks.items():
            middle = np.nanmedian(values, -1)
            width = 1.4826 * np.nanmedian(np.abs(values - middle[..., None]), -1)
            floor = FLOORS[name] * (typical if name == "mean" else 1)
            usual.middle[name], usual.width[name] = middle, width + floor
        return usual

    def scores(self, measured: Measured) -> tuple[Float, NDArray[np.int64]]:
        """How far out each block is [step, channel, block], and by which measure."""
        each = [
            np.abs(measured.measures[name] - self.middle[name][..., None])
            / self.width[name][..., None]
            for name in FLOORS
        ]
        stacked = np.nan_to_num(np.stack(each), nan=0.0, posinf=np.inf)
        return stacked.max(0), stacked.argmax(0)

    def odd_channels(self, run: "Run", stage: str) -> Iterator[Find]:
        """Channels that are louder or quieter than all others in the whole film: dead ones, for instance, which are usual by themselves."""
        spread = self.middle["spread"]
        middle = np.nanmedian(spread, 1, keepdims=True)
        width = 1.4826 * np.nanmedian(np.abs(spread - middle), 1, keepdims=True) + APART
        scores = np.abs(spread - middle) / width
        for step, channel in np.argwhere(scores > STRICT):
            own, others = np.exp(spread[step, channel]), np.exp(middle[step, 0])
            says = f"in the whole film its spread is {own:.3g}, that of the others {others:.3g}"
            at = int(step) if stage == "steps" else run.spec.steps - 1
            place = Place(stage, None, None, at, int(channel))
            yield Find("outlier", place, says, 0, round(float(scores[step, channel]), 1), True)


def hunt(run: "Run", watch: Callable[[int], None] = lambda _: None) -> Hunt:
    """Look through all that there is of a finished, running or crashed run; `watch` is told of each clip. Writes nothing."""
    found: list[Find] = []
    clips = values = 0
    usual = {stage: Usual.of(_lessons(run, stage)) for stage in ("steps", "latents")}
    for stage, one in usual.items():
        if one is not None:
            found += one.odd_channels(run, stage)
    count = len(found)
    for clip, measured in measured_clips(run):
        watch(clip)
        clips += 1
        for stage, one in measured.items():
            if isinstance(one, Damaged):
                count += 1
                found += [Find("damaged", Place(stage, clip), str(one), 0, None, False)][
                    : KEPT - len(found)
                ]
                continue
            values += one.values
            for find in _finds(run, clip, stage, one, usual.get(stage)):
                count += 1
                if len(found) < KEPT:
                    found.append(find())
    return Hunt(str(run.root), clips, values, tuple(found), count - len(found))


def measured_clips(run: "Run") -> "Iterator[tuple[int, dict[str, Measured | Damaged]]]":
    """Every clip that has anything, measured by a few threads: as many clips in memory as AT_ONCE, whatever the film's length."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for first in range(0, run.spec.clips, AT_ONCE):
            several = range(first, min(first + AT_ONCE, run.spec.clips))
            for clip, measured in zip(
                several, pool.map(lambda c: _measured(run, c), several), strict=True
            ):
                if measured:
                    yield clip, measured


def arrays_of(run: "Run") -> "dict[str, ClipArray]":
    """The arrays of floats, in the order in which a clip is made."""
    names = ["audio", "steps", "latents", *(["motion"] if run.spec.motion_latents else [])]
    return {name: getattr(run, name) for name in names}


def _measured(run: "Run", clip: int) -> "dict[str, Measured | Damaged]":
    found: dict[str, Measured | Damaged] = {}
    for stage, array in arrays_of(run).items():
        with suppress(NotMade, Pruned):
            try:
                # Unchecked: hashing all would take longer than looking, and is asked of what is found.
                found[stage] = measure(run, stage, array.view(clip, checked=False))
            except Damaged as damage:
                found[stage] = damage
    return found


def measure(run: "Run", stage: str, array: NDArray[Any]) -> Measured:
    """Each block of a stage's array of one clip."""
    parts = _in_blocks(run, stage, array)
    flat = parts.reshape(*parts.shape[:3], -1)
    with np.errstate(all="ignore"):
        mean = flat.mean(-1)
        square = np.einsum("scbn,scbn->scb", flat, flat) / flat.shape[-1]
        peak = np.maximum(flat.max(-1), -flat.min(-1)).astype(np.float64)
        spread = np.sqrt(
            np.maximum(square.astype(np.float64) - mean.astype(np.float64) ** 2, 1e-24)
        )
        bad = ~np.isfinite(square)
        logs = {"spread": np.log(spread), "peak": np.log(np.maximum(peak, 1e-12) / spread)}
    nan = np.zeros(mean.shape, np.int64)
    for place in np.argwhere(bad):
        nan[tuple(place)] = np.count_nonzero(~np.isfinite(flat[tuple(place)]))
    measures = {"mean": mean.astype(np.float64), **logs}
    return Measured(
        nan, {name: np.where(bad, np.nan, one) for name, one in measures.items()}, array.size
    )


def _in_blocks(run: "Run", stage: str, array: NDArray[Any]) -> NDArray[Any]:
    """[step, channel, block, …]: a clip's array, cut into its blocks."""
    blocks = blocks_of(run.spec)
    if stage == "audio":
        layers, channels, frames = array.shape
        return array.reshape(layers, channels, blocks, frames // blocks)
    latents = array if stage == "steps" else array[None]
    cut = 1 if stage == "motion" else blocks
    steps, channels, t, h, w = latents.shape
    return latents.reshape(steps, channels, cut, t // cut, h, w)


def _lessons(run: "Run", stage: str) -> Iterator[Measured]:
    array: ClipArray = getattr(run, stage)
    for clip in sorted({round(n) for n in np.linspace(0, run.spec.clips - 1, LESSONS)}):
        with suppress(NotMade, Pruned, Damaged):
            yield measure(run, stage, array.view(clip, checked=False))


def _finds(
    run: "Run", clip: int, stage: str, measured: Measured, usual: Usual | None
) -> Iterator[Callable[[], Find]]:
    """What stands out of one stage of a clip, block by block; each is described when it is wanted."""
    bad = measured.nan > 0
    scores, which = (
        usual.scores(measured) if usual else (np.zeros(bad.shape), np.zeros(bad.shape, int))
    )
    for block, step, channel in np.argwhere((bad | (scores > STRICT)).transpose(2, 0, 1)):
        at = (step, channel, block)
        if bad[at]:
            yield lambda at=at: _nan(run, clip, stage, at, int(measured.nan[at]))  # type: ignore[misc]
        else:
            assert usual is not None
            name = list(FLOORS)[which[at]]
            usually = float(usual.middle[name][at[:2]])
            yield lambda at=at, name=name, usually=usually: _outlier(  # type: ignore[misc]
                run,
                clip,
                stage,
                at,
                _words(name, float(measured.measures[name][at]), usually),
                float(scores[at]),
            )


def _words(name: str, value: float, usually: float) -> str:
    if name == "mean":
        return f"its mean is {value:.3g}, usually {usually:.3g}"
    what = "its spread" if name == "spread" else "its largest value, in spreads,"
    return f"{what} is {np.exp(value):.3g}, usually {np.exp(usually):.3g}"


def _place(
    run: "Run", clip: int, stage: str, at: tuple[int, int, int]
) -> tuple[Place, NDArray[Any], tuple[int, ...]]:
    """The block's place, its values, and the index of the first of them in the clip's array."""
    step, channel, block = at
    array: ClipArray = getattr(run, stage)
    values = _in_blocks(run, stage, array.view(clip, checked=False))[at]
    before = (step, channel) if stage in {"audio", "steps"} else (channel,)
    first = (*before, block * values.shape[0], *(0 for _ in values.shape[1:]))
    whole = place_of(run.spec, stage, clip, first)
    return Place(stage, clip, whole.block, whole.step, whole.channel), values, first


def _nan(run: "Run", clip: int, stage: str, at: tuple[int, int, int], count: int) -> Find:
    _, values, first = _place(run, clip, stage, at)
    inside = np.unravel_index(np.argmax(~np.isfinite(values)), values.shape)
    start = len(first) - len(inside)
    index = (*first[:start], *(int(a + b) for a, b in zip(first[start:], inside, strict=True)))
    says = f"{count} of {values.size} values are NaN or infinite"
    return Find(
        "nan",
        place_of(run.spec, stage, clip, index),
        says,
        count,
        None,
        _is_vouched(run, stage, clip),
    )


def _outlier(
    run: "Run", clip: int, stage: str, at: tuple[int, int, int], says: str, score: float
) -> Find:
    place, _, _ = _place(run, clip, stage, at)
    return Find("outlier", place, says, 0, round(score, 1), _is_vouched(run, stage, clip))


def _is_vouched(run: "Run", stage: str, clip: int) -> bool:
    array: ClipArray = getattr(run, stage)
    return array.flaw(clip, thorough=False) is None and _matches(array, clip)


def _matches(array: "ClipArray", clip: int) -> bool:
    try:
        array.view(clip)
    except (Damaged, NotMade, Pruned):
        return False
    return True
