"""All that is measured of one film, and whether it is good enough: each level stands once, here."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipeline.json_output import to_json
from pipeline.monitor.words import format_beside_bounds
from pipeline.quality import audio_metrics, continuity, identity, pauses
from pipeline.quality.audio_metrics import SoundLevels
from pipeline.quality.continuity import Moment, Repeat, Seams
from pipeline.quality.drift import Drift, measure_drift
from pipeline.quality.external_judges import Opinions
from pipeline.quality.frame_tracks import FrameTracks
from pipeline.quality.identity import Identity, measure_identity
from pipeline.quality.lip_sync import LipSync, measure_lip_sync, track_mouth_opening
from pipeline.quality.mouth import Mouth
from pipeline.quality.pauses import Pauses
from pipeline.quality.speaker_lips import SpeakerSync, measure_speakers
from storage.errors import count_noun

OFFSET, CLIP_OFFSET, TRUSTED_CONFIDENCE = 1, 2, 0.2
COLOUR, LIKENESS = 3.0, 0.9
SHARPNESS = (0.8, 1.25)
SEAM = 3.0
END_SECONDS = 0.1
"""Seconds by which sound and picture may end apart: a packet of AAC and a frame."""
SHUT_FRAMES, LEAST_MOTION = 3, 0.5
MOST_MOMENTS = 50
"""Moments of one kind that are named."""


@dataclass(frozen=True)
class SoundFaults:
    """What is wrong with a film's sound: peak, clipped stretches, gaps."""

    peak: float
    """dB of full scale."""
    clipped: tuple[Moment, ...]
    """Stretches cut off at full scale; size is how many samples."""
    gaps: tuple[Moment, ...]
    seconds: float


@dataclass(frozen=True)
class LevelResult:
    """One level of the verdict: what was measured, against what, and whether it is met."""

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
        return format_beside_bounds(self.value, self.bounds, digits)


@dataclass(frozen=True)
class FilmQuality:
    """All that is measured of a film, with its verdict; `as_json` is for machines."""

    film: str
    seconds: float
    frames: int
    fps: float
    clips: int
    clip_frames: int
    levels: tuple[LevelResult, ...]
    mouth: Mouth | None
    sync: LipSync | None
    drift: Drift
    seams: Seams | None
    frozen: tuple[Moment, ...]
    jumps: tuple[Moment, ...]
    repeats: tuple[Repeat, ...]
    quiet: Pauses | None
    sound: SoundFaults | None
    identity: Identity | None = None
    """None where nobody knows where mouth and eyes are."""
    opinions: Opinions | None = None
    """Of networks, where their weights were given."""
    speakers: tuple[SpeakerSync, ...] = ()
    """Of several speakers; `sync` is then not there, as no mouth follows the sound of all."""

    @property
    def missed(self) -> tuple[LevelResult, ...]:
        """The levels that the film misses."""
        return tuple(each for each in self.levels if each.met is False)

    @property
    def verdict(self) -> str:
        """The verdict in words: `meets all 14 levels that could be measured`."""
        measured = sum(each.met is not None for each in self.levels)
        if not measured:
            return "has nothing that could be measured"
        levels = f"{count_noun(measured, 'level')} that could be measured"
        if self.missed:
            return f"misses {len(self.missed)} of {levels}"
        return f"meets {'all ' if measured > 1 else ''}{levels}"

    @property
    def melting(self) -> str | None:
        """Which part of the face melts first, from when on, and what can be done, in a line; None where none does."""
        if self.identity is None or not self.identity.melted:
            return None
        first, *others = self.identity.melted
        begun = first.lost or 0.0
        clip = round(begun * self.fps / self.clip_frames)
        also = "".join(f", the {part.region} from {part.lost or 0:.0f} s" for part in others)
        return (
            f"The face melts: the {first.region} from {begun:.0f} s on{also}. "
            f"With another seed from there on: longtake retake RUN --clip {clip}"
        )

    def as_json(self) -> str:
        """All figures as one JSON object, for machines."""
        return to_json(self)


def judge_film(tracks: FrameTracks, film: str, meant: SoundLevels | None = None) -> FilmQuality:
    """Hold a film's tracks against every level; `meant` is the sound that it was made of, where that is known."""
    opening = track_mouth_opening(tracks)
    sync = measure_lip_sync(tracks, opening) if len(opening) else None
    drift, seams = measure_drift(tracks), continuity.measure_seams(tracks)
    still, jumps = continuity.find_frozen(tracks), continuity.find_jumps(tracks)
    again, quiet = continuity.find_repeats(tracks), pauses.find_pauses(tracks, opening)
    heard = None if tracks.sound is None else find_sound_faults(tracks.sound, tracks.fps, meant)
    seconds = tracks.frames / tracks.fps
    face = None
    if tracks.face is not None:
        face = measure_identity(tracks.face, fps=tracks.fps, clip_frames=tracks.clip_frames)
    speakers = measure_speakers(tracks.speakers, tracks.fps)
    levels = [
        *(judge_speakers(speakers) if speakers else _lip_levels(sync)),
        *_appearance_levels(drift),
        *_face_levels(face),
        *_motion_levels(seams, still, jumps, again),
        *_pause_levels(quiet, shut_known=tracks.shut_darkness is not None),
        *_sound_levels(heard, seconds),
    ]
    return FilmQuality(
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
        frozen=tuple(still[:MOST_MOMENTS]),
        jumps=tuple(jumps[:MOST_MOMENTS]),
        repeats=tuple(again[:MOST_MOMENTS]),
        quiet=quiet,
        sound=heard,
        identity=face,
        speakers=speakers,
    )


def find_sound_faults(sound: SoundLevels, fps: float, meant: SoundLevels | None) -> SoundFaults:
    """Faults of a film's sound; `meant` is the sound that it was made of, where that is known."""
    peak = max(float(sound.peak.max(initial=0)), 1e-6)
    # AAC rounds off what was cut off: 13 of 1688 samples are still at full scale after it.
    full = (meant or sound).clipped
    clipped = (
        Moment(start / fps, (stop - start) / fps, float(full[start:stop].sum()))
        for start, stop in audio_metrics.find_stretches(full > 0)
    )
    gaps = (
        Moment(each.second, each.seconds, 1.0) for each in audio_metrics.find_gaps(sound, meant)
    )
    by_size = sorted(clipped, key=lambda moment: -moment.size)
    return SoundFaults(
        20 * float(np.log10(peak)),
        tuple(by_size[:MOST_MOMENTS]),
        tuple(gaps)[:MOST_MOMENTS],
        sound.seconds,
    )


def _lip_levels(sync: LipSync | None) -> Iterator[LevelResult]:
    if sync is None:
        yield LevelResult("lips: frames late", None, f"−{OFFSET} to {OFFSET}", None)
        return
    # Where nothing follows the sound, the best offset is a guess; the confidence says that it is.
    yield _is_within("lips: frames late", sync.offset, -OFFSET, OFFSET)
    yield _at_least("lips: confidence", sync.confidence, TRUSTED_CONFIDENCE)
    known = [each.offset for each in sync.clips if each.offset is not None]
    worst = max(known, key=abs) if known else None
    yield _is_within("lips: frames late, worst clip", worst, -CLIP_OFFSET, CLIP_OFFSET)


def judge_speakers(speakers: tuple[SpeakerSync, ...]) -> Iterator[LevelResult]:
    """The levels of several speakers' lips."""
    for each in speakers:
        who = f"lips of speaker {each.speaker}"
        yield _is_within(f"{who}: frames late", each.offset, -OFFSET, OFFSET)
        yield _at_least(f"{who}: confidence", each.confidence, TRUSTED_CONFIDENCE)


def _appearance_levels(drift: Drift) -> Iterator[LevelResult]:
    yield _at_most(f"colour against {drift.reference}, of 255", drift.colour, COLOUR)
    yield _is_within("sharpness against the first clip", drift.sharpness, *SHARPNESS)
    yield _at_least(f"likeness to {drift.reference}", drift.likeness, LIKENESS)


def _face_levels(face: Identity | None) -> Iterator[LevelResult]:
    worst, brow = (face.worst, face.worst_brow) if face else (None, None)
    of = "of what it was in the first second"
    yield _at_least(f"face: its worst part, {of}", worst.kept if worst else None, identity.KEPT)
    yield _at_least(f"face: its worse brow, {of}", brow.kept if brow else None, identity.BROW_KEPT)
    yield _at_most(
        "face: colour of its worst part against the first second, of 255",
        None if face is None else face.faded.colour,
        identity.COLOUR,
    )
    yield _at_most(
        "face: one eye against the other",
        None if face is None else face.eyes_apart,
        identity.EYES_APART,
    )
    yield _is_within(
        "face: sharpness against the picture",
        None if face is None else face.sharpness,
        *identity.SHARPNESS,
    )


def _motion_levels(
    seams: Seams | None, still: list[Moment], jumps: list[Moment], again: list[Repeat]
) -> Iterator[LevelResult]:
    yield _at_most("seams: change against inside", None if seams is None else seams.change, SEAM)
    yield _at_most("seams: flow against inside", None if seams is None else seams.flow, SEAM)
    yield _at_most(
        "longest frozen stretch, s", still[0].seconds if still else 0.0, continuity.FROZEN
    )
    largest = jumps[0].size if jumps else 1.0
    yield _at_most("largest jump against usual change", largest, continuity.JUMP)
    yield _at_most("clips shown again", len(again), 0)


def _pause_levels(quiet: Pauses | None, *, shut_known: bool) -> Iterator[LevelResult]:
    found = quiet or Pauses((), None, None, None)
    lips = (
        _at_most("pauses: mouth against speech", found.mouth, pauses.OPEN),
        _at_most("pauses: frames until it is shut", found.shuts_after, SHUT_FRAMES),
    )
    # Without a picture whose mouth is shut nobody knows how dark a shut one is: told, and not judged.
    yield from (each if shut_known else replace(each, met=None) for each in lips)
    yield _at_least("pauses: motion against speech", found.motion, LEAST_MOTION)


def _sound_levels(heard: SoundFaults | None, seconds: float) -> Iterator[LevelResult]:
    if heard is None:
        yield LevelResult("sound", None, "some", None)
        return
    yield _at_most("sound: clipped stretches", len(heard.clipped), 0)
    yield _at_most("sound: gaps", len(heard.gaps), 0)
    yield _is_within(
        "sound: ends later than the picture, s", heard.seconds - seconds, -END_SECONDS, END_SECONDS
    )


def _at_least(what: str, value: float | None, level: float) -> LevelResult:
    return LevelResult(
        what, value, f"≥ {level:g}", None if value is None else value >= level, (level,)
    )


def _at_most(what: str, value: float | None, level: float) -> LevelResult:
    return LevelResult(
        what, value, f"≤ {level:g}", None if value is None else value <= level, (level,)
    )


def _is_within(what: str, value: float | None, low: float, high: float) -> LevelResult:
    met = None if value is None else low <= value <= high
    return LevelResult(what, value, f"{low:g} to {high:g}".replace("-", "−"), met, (low, high))
