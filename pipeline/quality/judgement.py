"""All that is measured of one film, and whether it is good enough: each level stands once, here."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipeline.jsontext import to_json
from pipeline.quality import hearing, motion, pauses
from pipeline.quality.drift import Drift, drift_of
from pipeline.quality.hearing import Sound
from pipeline.quality.judges import Opinions
from pipeline.quality.motion import Moment, Repeat, Seams
from pipeline.quality.mouth import Mouth
from pipeline.quality.pauses import Quiet
from pipeline.quality.sync import Sync, opening_of, sync_of
from pipeline.quality.tracks import Tracks
from pipeline.words import tell_apart
from storage.errors import count

OFFSET, CLIP_OFFSET, SURE = 1, 2, 0.2
COLOUR, LIKENESS = 3.0, 0.9
SHARPNESS = (0.8, 1.25)
SEAM = 3.0
ENDS = 0.1
"""Seconds by which sound and picture may end apart: a packet of AAC and a frame."""
SHUTS, ALIVE = 3, 0.5
MOST = 50
"""Moments of one kind that are named."""


@dataclass(frozen=True)
class Heard:
    """The sound."""

    peak: float
    """dB of full scale."""
    clipped: tuple[Moment, ...]
    """Stretches cut off at full scale; size is how many samples."""
    gaps: tuple[Moment, ...]
    seconds: float


@dataclass(frozen=True)
class Level:
    """One line of the verdict."""

    what: str
    value: float | None
    """None where there is nothing to measure it by."""
    level: str
    met: bool | None
    """None where it was not measured."""
    bounds: tuple[float, ...] = ()
    """Beyond which it is missed."""

    @property
    def shown(self) -> str:
        """The value for people: never so rounded that a miss looks like none."""
        if self.value is None:
            return "–"
        digits = 0 if float(self.value).is_integer() else 2
        return tell_apart(self.value, self.bounds, digits)


@dataclass(frozen=True)
class Quality:
    """What a film is like; `as_json` is for machines."""

    film: str
    seconds: float
    frames: int
    fps: float
    clips: int
    clip_frames: int
    levels: tuple[Level, ...]
    mouth: Mouth | None
    sync: Sync | None
    drift: Drift
    seams: Seams | None
    frozen: tuple[Moment, ...]
    jumps: tuple[Moment, ...]
    repeats: tuple[Repeat, ...]
    quiet: Quiet | None
    sound: Heard | None
    opinions: Opinions | None = None
    """Of networks, where their weights were given."""

    @property
    def missed(self) -> tuple[Level, ...]:
        """The levels that are not met."""
        return tuple(each for each in self.levels if each.met is False)

    @property
    def verdict(self) -> str:
        """`meets all 14 levels that could be measured`."""
        measured = sum(each.met is not None for each in self.levels)
        if not measured:
            return "has nothing that could be measured"
        levels = f"{count(measured, 'level')} that could be measured"
        if self.missed:
            return f"misses {len(self.missed)} of {levels}"
        return f"meets {'all ' if measured > 1 else ''}{levels}"

    def as_json(self) -> str:
        """All of it."""
        return to_json(self)


def judge(tracks: Tracks, film: str, meant: Sound | None = None) -> Quality:
    """A film by its tracks; `meant` is the sound that it was made of, where that is known."""
    opening = opening_of(tracks)
    sync = sync_of(tracks, opening) if len(opening) else None
    drift, seams = drift_of(tracks), motion.seams_of(tracks)
    still, jumps = motion.frozen(tracks), motion.jumps(tracks)
    again, quiet = motion.repeats(tracks), pauses.quiet_of(tracks, opening)
    heard = None if tracks.sound is None else heard_in(tracks.sound, tracks.fps, meant)
    seconds = tracks.frames / tracks.fps
    levels = [
        *_of_lips(sync),
        *_of_looks(drift),
        *_of_motion(seams, still, jumps, again),
        *_of_pauses(quiet, shut_known=tracks.shut is not None),
        *_of_sound(heard, seconds),
    ]
    return Quality(
        film=film,
        seconds=seconds,
        frames=tracks.frames,
        fps=tracks.fps,
        clips=tracks.clips,
        clip_frames=tracks.clip_frames,
        levels=tuple(levels),
        mouth=tracks.mouth,
        sync=sync,
        drift=drift,
        seams=seams,
        frozen=tuple(still[:MOST]),
        jumps=tuple(jumps[:MOST]),
        repeats=tuple(again[:MOST]),
        quiet=quiet,
        sound=heard,
    )


def heard_in(sound: Sound, fps: float, meant: Sound | None) -> Heard:
    """What is wrong with the sound."""
    peak = max(float(sound.peak.max(initial=0)), 1e-6)
    # AAC rounds off what was cut off: 13 of 1688 samples are still at full scale after it.
    full = (meant or sound).full
    clipped = (
        Moment(start / fps, (stop - start) / fps, float(full[start:stop].sum()))
        for start, stop in hearing.runs(full > 0)
    )
    gaps = (Moment(each.second, each.seconds, 1.0) for each in hearing.gaps(sound, meant))
    by_size = sorted(clipped, key=lambda moment: -moment.size)
    return Heard(
        20 * float(np.log10(peak)), tuple(by_size[:MOST]), tuple(gaps)[:MOST], sound.seconds
    )


def _of_lips(sync: Sync | None) -> Iterator[Level]:
    if sync is None:
        yield Level("lips: frames late", None, f"−{OFFSET} to {OFFSET}", None)
        return
    # Where nothing follows the sound, the best offset is a guess; the confidence says that it is.
    yield _within("lips: frames late", sync.offset, -OFFSET, OFFSET)
    yield _at_least("lips: confidence", sync.confidence, SURE)
    told = [each.offset for each in sync.clips if each.offset is not None]
    worst = max(told, key=abs) if told else None
    yield _within("lips: frames late, worst clip", worst, -CLIP_OFFSET, CLIP_OFFSET)


def _of_looks(drift: Drift) -> Iterator[Level]:
    yield _at_most(f"colour against {drift.reference}, of 255", drift.colour, COLOUR)
    yield _within("sharpness against the first clip", drift.sharpness, *SHARPNESS)
    yield _at_least(f"likeness to {drift.reference}", drift.likeness, LIKENESS)


def _of_motion(
    seams: Seams | None, still: list[Moment], jumps: list[Moment], again: list[Repeat]
) -> Iterator[Level]:
    yield _at_most("seams: change against inside", None if seams is None else seams.change, SEAM)
    yield _at_most("seams: flow against inside", None if seams is None else seams.flow, SEAM)
    yield _at_most("longest frozen stretch, s", still[0].seconds if still else 0.0, motion.FROZEN)
    largest = jumps[0].size if jumps else 1.0
    yield _at_most("largest jump against usual change", largest, motion.JUMP)
    yield _at_most("clips shown again", len(again), 0)


def _of_pauses(quiet: Quiet | None, *, shut_known: bool) -> Iterator[Level]:
    found = quiet or Quiet((), None, None, None)
    lips = (
        _at_most("pauses: mouth against speech", found.mouth, pauses.OPEN),
        _at_most("pauses: frames until it is shut", found.shuts_after, SHUTS),
    )
    # Without a picture whose mouth is shut nobody knows how dark a shut one is: told, and not judged.
    yield from (each if shut_known else replace(each, met=None) for each in lips)
    yield _at_least("pauses: motion against speech", found.motion, ALIVE)


def _of_sound(heard: Heard | None, seconds: float) -> Iterator[Level]:
    if heard is None:
        yield Level("sound", None, "some", None)
        return
    yield _at_most("sound: clipped stretches", len(heard.clipped), 0)
    yield _at_most("sound: gaps", len(heard.gaps), 0)
    yield _within("sound: ends later than the picture, s", heard.seconds - seconds, -ENDS, ENDS)


def _at_least(what: str, value: float | None, level: float) -> Level:
    return Level(what, value, f"≥ {level:g}", None if value is None else value >= level, (level,))


def _at_most(what: str, value: float | None, level: float) -> Level:
    return Level(what, value, f"≤ {level:g}", None if value is None else value <= level, (level,))


def _within(what: str, value: float | None, low: float, high: float) -> Level:
    met = None if value is None else low <= value <= high
    return Level(what, value, f"{low:g} to {high:g}".replace("-", "−"), met, (low, high))
