"""Two runs laid side by side: where they first differ, by how much, stage by stage. Records say which clips do; only those are read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.inspection.location import Location, blocks_per_clip, locate_index
from pipeline.json_output import to_json
from storage.errors import BadOption, RunError
from storage.layout import clip_arrays

if TYPE_CHECKING:
    from storage.run import Run

CLIPWISE = ("audio", "pose", "steps", "latents", "motion", "frames", "segment")
"""In the order in which a clip is made; steps before latents, as they say where in a clip it began."""
ONCE = ("inputs", "sound", "soundtrack")
SAMPLES = 32
"""Differing clips of a stage whose difference is measured."""


@dataclass(frozen=True)
class Difference:
    """The first number that differs in a stage of two runs, and how much differs around it."""

    place: Location
    here: float | None
    there: float | None
    bits: int
    """Of this number, that differ."""
    values: int
    """Of this clip's array, that differ."""
    of: int
    largest: float
    """Absolute difference in this clip's array."""
    note: str = ""
    """Why there are no figures, where there are none."""


@dataclass(frozen=True)
class StageDiff:
    """How one stage differs between two runs."""

    stage: str
    equal: int
    """Clips; 1 of what is made once."""
    differ: int
    only_here: int
    only_there: int
    first: Difference | None
    sizes: tuple[tuple[int, float], ...]
    """(clip, largest absolute difference) of up to SAMPLES differing clips."""


@dataclass(frozen=True)
class RunComparison:
    """How two runs differ: the first difference, and each stage's."""

    run: str
    other: str
    equal: bool
    """No stage that both have differs, and neither has more."""
    first: Difference | None
    asked: dict[str, tuple[Any, Any]]
    """What decides pixels and is not the same."""
    numerics: dict[str, tuple[Any, Any]]
    """What decides the last bits and is not the same."""
    stages: tuple[StageDiff, ...]

    def as_json(self) -> str:
        """The comparison as one JSON object, for machines."""
        return to_json(self)


def compare_runs(
    run: "Run", other: "Run", watch: Callable[[int], None] = lambda _: None
) -> RunComparison:
    """Compare two runs number by number, finished or not. Raises BadOption where their arrays have other shapes."""
    mine, theirs = clip_arrays(run.spec), clip_arrays(other.spec)
    if mine != theirs:
        names = ", ".join(name for name in mine if mine[name] != theirs.get(name))
        raise BadOption("--diff", other.root, f"it is a film of another shape ({names})")
    asked = _differing_values(asdict(run.spec), asdict(other.spec))
    numerics = _differing_values(run.fingerprint, other.fingerprint)
    once = [_compare_once(run, other, stage) for stage in ONCE]
    clipwise = [
        _compare_clips(run, other, stage, watch)
        for stage in CLIPWISE
        if stage in mine or stage == "segment"
    ]
    stages = (*once, *clipwise)
    firsts = [each.first for each in stages if each.first is not None]
    first = min(firsts, key=_order_in_film, default=None)
    equal = not any(each.differ or each.only_here or each.only_there for each in stages)
    return RunComparison(str(run.root), str(other.root), equal, first, asked, numerics, stages)


def _order_in_film(difference: Difference) -> tuple[int, int]:
    """Sort key of a difference: what is made once comes first, then clip after clip."""
    stage, clip = difference.place.stage, difference.place.clip
    if clip is None:
        return (-1, ONCE.index(stage)) if stage != "soundtrack" else (1 << 62, 0)
    return clip, CLIPWISE.index(stage)


def _differing_values(
    mine: Mapping[str, Any], theirs: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    names = sorted({*mine, *theirs})
    return {n: (mine.get(n), theirs.get(n)) for n in names if mine.get(n) != theirs.get(n)}


def _compare_clips(run: "Run", other: "Run", stage: str, watch: Callable[[int], None]) -> StageDiff:
    """How a stage differs, clip by clip, by the hashes in its records; clips that differ are read."""
    equal = only_here = only_there = 0
    differing: list[int] = []
    for clip in sorted(
        {*run.records.clips_with_record(stage), *other.records.clips_with_record(stage)}
    ):
        watch(clip)
        here, there = _recorded_digest(run, stage, clip), _recorded_digest(other, stage, clip)
        if here is None or there is None:
            only_here, only_there = only_here + (here is not None), only_there + (there is not None)
        elif here == there:
            equal += 1
        else:
            differing.append(clip)
    first = _find_in_clip(run, other, stage, differing[0]) if differing else None
    sizes = tuple(_sample_sizes(run, other, stage, differing))
    return StageDiff(stage, equal, len(differing), only_here, only_there, first, sizes)


def _recorded_digest(run: "Run", stage: str, clip: int) -> str | None:
    """The digest that a clip's record holds, also where it was pruned; None without one."""
    if clip >= run.spec.clips:
        return None
    facts = run.records.read(stage, clip) or {}
    digest: str | None = facts.get("sha256" if stage == "segment" else "digest")
    return digest


def _sample_sizes(
    run: "Run", other: "Run", stage: str, differing: list[int]
) -> Iterator[tuple[int, float]]:
    if stage == "segment" or not differing:
        return
    chosen = sorted({round(n) for n in np.linspace(0, len(differing) - 1, SAMPLES)})
    for clip in (differing[n] for n in chosen):
        with suppress(RunError):
            here, there = getattr(run, stage).view(clip), getattr(other, stage).view(clip)
            yield clip, _largest_difference(here, there)


def _find_in_clip(run: "Run", other: "Run", stage: str, clip: int) -> Difference:
    """The first number that differs in a clip of a stage, in the order in which it was made: block, step, channel."""
    if stage == "segment":
        return _noted_difference(Location(stage, clip), "the encoded bytes differ")
    try:
        here, there = getattr(run, stage).view(clip), getattr(other, stage).view(clip)
    except RunError as error:
        return _noted_difference(
            Location(stage, clip), f"their hashes differ, and there is nothing to look at: {error}"
        )
    index = _first_index(here, there, _time_axis(run, stage), _count_blocks(run, stage))
    place = locate_index(run.spec, stage, clip, index)
    return _measure_difference(place, here, there, index)


def _time_axis(run: "Run", stage: str) -> int:
    names = clip_arrays(run.spec)[stage][2]
    return next(axis for axis, name in enumerate(names) if name in {"t", "frame", "past"})


def _count_blocks(run: "Run", stage: str) -> int:
    return 1 if stage == "motion" else blocks_per_clip(run.spec)


def _first_index(here: NDArray[Any], there: NDArray[Any], axis: int, cuts: int) -> tuple[int, ...]:
    """The index of the first number whose bits differ: in the first of `cuts` blocks along `axis` that has one, the first in it."""
    each = here.shape[axis] // cuts
    for block in range(cuts):
        part = tuple(
            slice(block * each, (block + 1) * each) if n == axis else slice(None)
            for n in range(here.ndim)
        )
        differs = _as_bits(here[part]) != _as_bits(there[part])
        if differs.any():
            found = [int(n) for n in np.unravel_index(np.argmax(differs), differs.shape)]
            found[axis] += block * each
            return tuple(found)
    raise AssertionError("records with two hashes vouch for the same bytes")


def _measure_difference(
    place: Location, here: NDArray[Any], there: NDArray[Any], index: tuple[int, ...]
) -> Difference:
    one, two = here[index], there[index]
    flipped = int(_as_bits(np.atleast_1d(one))[0]) ^ int(_as_bits(np.atleast_1d(two))[0])
    count = int(np.count_nonzero(_as_bits(here) != _as_bits(there)))
    return Difference(
        place,
        float(one),
        float(two),
        flipped.bit_count(),
        count,
        here.size,
        _largest_difference(here, there),
    )


def _as_bits(array: NDArray[Any]) -> NDArray[Any]:
    """An array's bytes as unsigned integers, so that -0 is not 0 and a NaN equals itself."""
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


def _largest_difference(here: NDArray[Any], there: NDArray[Any]) -> float:
    with np.errstate(invalid="ignore"):
        apart = np.abs(here.astype(np.float64) - there.astype(np.float64))
    return float(np.max(apart, where=np.isfinite(apart), initial=0.0))


def _noted_difference(place: Location, note: str) -> Difference:
    return Difference(place, None, None, 0, 0, 0, 0.0, note)


def _compare_once(run: "Run", other: "Run", stage: str) -> StageDiff:
    """How what is made once a run differs, by the hashes of its arrays."""
    here, there = _piece_digests(run, stage), _piece_digests(other, stage)
    if here is None or there is None:
        return StageDiff(stage, 0, 0, int(here is not None), int(there is not None), None, ())
    if here == there:
        return StageDiff(stage, 1, 0, 0, 0, None, ())
    name = next(n for n in sorted({*here, *there}) if here.get(n) != there.get(n))
    return StageDiff(stage, 0, 1, 0, 0, _find_in_piece(run, other, stage, name), ())


def _piece_digests(run: "Run", stage: str) -> dict[str, str] | None:
    facts = run.records.vouched(stage)
    if facts is None:
        return None
    if stage == "inputs":
        return {piece["name"]: piece["digest"] for piece in facts["pieces"]}
    if stage == "sound":
        return {f"chunk {n}": digest for n, digest in enumerate(facts["digests"])}
    return {"file": facts["sha256"]}


def _find_in_piece(run: "Run", other: "Run", stage: str, name: str) -> Difference:
    place = Location(f"{stage} ({name})" if stage != "soundtrack" else stage)
    if stage == "inputs":
        with suppress(RunError, KeyError):
            here, there = run.inputs.read(name), other.inputs.read(name)
            if here.shape == there.shape and here.dtype == there.dtype:
                return _measure_difference(
                    Location(stage, index=_first_index(here, there, 0, 1)),
                    here,
                    there,
                    _first_index(here, there, 0, 1),
                )
    return _noted_difference(Location(stage), f"{place.stage} differs")
