"""The worst clips of a film: each measure of a clip against its level, as far as another seed may change it."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

from pipeline.monitor.words import format_beside_bounds
from pipeline.quality import continuity, identity
from pipeline.quality.continuity import Moment
from pipeline.quality.pauses import OPEN
from pipeline.quality.thresholds import (
    CLIP_OFFSET,
    COLOUR,
    LEAST_MOTION,
    LIKENESS,
    SEAM,
    SHARPNESS,
    SHUT_FRAMES,
    FilmQuality,
)


@dataclass(frozen=True)
class ClipMeasure:
    """One measure of one clip, held against its level."""

    clip: int
    what: str
    value: float
    bounds: tuple[float, ...]
    """Beyond which the level is missed."""
    level: str
    """The level in words."""
    badness: float
    """How far it is from what is perfect, as a multiple of what the level allows: above 1 the level is missed."""

    @property
    def shown(self) -> str:
        """The value for people: never so rounded that a miss looks like none."""
        return format_beside_bounds(self.value, self.bounds)


def find_worst_clips(quality: FilmQuality, count: int) -> list[ClipMeasure]:
    """The clips that miss a level, the worst first, at most so many: of each the measure that misses most."""
    worst: dict[int, ClipMeasure] = {}
    for each in measure_clips(quality):
        before = worst.get(each.clip)
        if each.badness > 1 and (before is None or each.badness > before.badness):
            worst[each.clip] = each
    return sorted(worst.values(), key=lambda each: (-each.badness, each.clip))[:count]


def measure_clips(quality: FilmQuality) -> Iterator[ClipMeasure]:
    """All that is measured of single clips. What is wrong with the sound is not: that is the same whatever the seed."""
    for clip, what, value, level in _rising_measures(quality):
        if clip < quality.clips:
            yield ClipMeasure(clip, what, value, (level,), f"≤ {level:g}", value / level)
    for clip, what, value, level in _falling_measures(quality):
        missing = (1 - value) / (1 - level)
        yield ClipMeasure(clip, what, value, (level,), f"≥ {level:g}", missing)
    for again in quality.repeats:
        yield ClipMeasure(again.clip, "clips that it shows again", 1.0, (0.0,), "≤ 0", 2.0)
    low, high = SHARPNESS
    for each in quality.drift.clips:
        ratio = log(each.sharpness) / log(high if each.sharpness > 1 else low)
        words = "sharpness against the first clip"
        yield ClipMeasure(
            each.clip, words, each.sharpness, SHARPNESS, f"{low:g} to {high:g}", ratio
        )


def _rising_measures(quality: FilmQuality) -> Iterator[tuple[int, str, float, float]]:
    """Clip, name, value and level of what must stay small."""
    for each in quality.sync.clips if quality.sync else ():
        if each.offset is not None:
            yield each.clip, "lips: frames late or early", abs(each.offset), CLIP_OFFSET
    for look in quality.drift.clips:
        yield look.clip, f"colour against {quality.drift.reference}, of 255", look.colour, COLOUR
    for jump in quality.jumps:
        yield (
            _clip_at(quality, jump.second),
            "jump against usual change",
            jump.size,
            continuity.JUMP,
        )
    for seam in _missed_seams(quality):
        yield _clip_at(quality, seam.second), "change where clips meet", seam.size, SEAM
    for still in quality.frozen:
        for clip in _clips_at(quality, still.second, still.seconds):
            yield clip, "frozen stretch, s", still.seconds, continuity.FROZEN
    yield from _pause_measures(quality)


def _missed_seams(quality: FilmQuality) -> tuple[Moment, ...]:
    """The seams that are named where their mean misses its level: one by itself has none."""
    seams = quality.seams
    return seams.worst if seams and max(seams.change, seams.flow) > SEAM else ()


def _pause_measures(quality: FilmQuality) -> Iterator[tuple[int, str, float, float]]:
    for pause in quality.quiet.pauses if quality.quiet else ():
        clips = _clips_at(quality, pause.second, pause.seconds)
        if pause.shuts_after is not None:
            yield clips[0], "pause: frames until the mouth is shut", pause.shuts_after, SHUT_FRAMES
        for clip in clips:
            if pause.mouth is not None:
                yield clip, "pause: mouth against speech", pause.mouth, OPEN


def _falling_measures(quality: FilmQuality) -> Iterator[tuple[int, str, float, float]]:
    """Clip, name, value and level of what must stay near 1."""
    for look in quality.drift.clips:
        yield look.clip, f"likeness to {quality.drift.reference}", look.likeness, LIKENESS
    for pause in quality.quiet.pauses if quality.quiet else ():
        for clip in _clips_at(quality, pause.second, pause.seconds):
            if pause.motion is not None:
                yield clip, "pause: motion against speech", pause.motion, LEAST_MOTION
    for part in quality.identity.regions if quality.identity else ():
        least = identity.BROW_KEPT if identity.is_brow(part.region) else identity.KEPT
        for clip, likeness in enumerate(part.clips):
            yield clip, f"face: {part.region}, of what it was", likeness / part.first, least


def _clip_at(quality: FilmQuality, second: float) -> int:
    # A time of a frame is that frame's number through a division, which may round down.
    return round(second * quality.fps) // quality.clip_frames


def _clips_at(quality: FilmQuality, second: float, seconds: float) -> range:
    last = max(round((second + seconds) * quality.fps) - 1, 0) // quality.clip_frames
    return range(_clip_at(quality, second), last + 1)
