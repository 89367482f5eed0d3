"""The places of a film that are worth a look: where a level is missed, and the worst of what is within it."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.monitor.words import format_beside_bounds
from pipeline.quality import continuity, identity
from pipeline.quality.pauses import OPEN
from pipeline.quality.thresholds import CLIP_OFFSET, COLOUR, LIKENESS, SHARPNESS, FilmQuality
from storage.errors import count_noun

_OF_A_KIND = 3
MOST = 12


@dataclass(frozen=True)
class NotableMoment:
    """A place in a film that is worth a look, and why."""

    second: float
    what: str
    alarm: bool
    """Whether it is beyond a level."""
    slow: bool = False
    """Whether it came slowly: then it is shown beside the film's first frame, and not beside the one before."""


def find_notable_moments(quality: FilmQuality) -> list[NotableMoment]:
    """The moments of a film that are worth a look, those beyond a level first; a dozen at most."""
    found = [
        *_face_moments(quality),
        *_lip_moments(quality),
        *_motion_moments(quality),
        *_appearance_moments(quality),
        *_sound_moments(quality),
    ]
    return sorted(found, key=lambda place: not place.alarm)[:MOST]


def _lip_moments(quality: FilmQuality) -> Iterator[NotableMoment]:
    clips = [] if quality.sync is None else quality.sync.clips
    known = [(each.offset, each.clip) for each in clips if each.offset]
    for offset, clip in sorted(known, key=lambda one: -abs(one[0]))[:_OF_A_KIND]:
        when = "late" if offset > 0 else "early"
        yield NotableMoment(
            _clip_start(quality, clip),
            f"mouth {count_noun(abs(offset), 'frame')} {when}",
            abs(offset) > CLIP_OFFSET,
        )
    for pause in quality.quiet.pauses if quality.quiet else ():
        if pause.mouth is not None and pause.mouth > OPEN:
            share = format_beside_bounds(100 * pause.mouth, [100 * OPEN], 0)
            yield NotableMoment(pause.second, f"mouth {share} % open in a pause", alarm=True)


def _motion_moments(quality: FilmQuality) -> Iterator[NotableMoment]:
    for jump in quality.jumps[:_OF_A_KIND]:
        words = (
            f"a change of {format_beside_bounds(jump.size, [continuity.JUMP], 1)} times the usual"
        )
        yield NotableMoment(jump.second, words, jump.size > continuity.JUMP)
    for seam in quality.seams.worst[:_OF_A_KIND] if quality.seams else ():
        words = f"clips meet: {seam.size:.1f} times the change inside"
        yield NotableMoment(seam.second, words, alarm=False)
    for still in quality.frozen[:_OF_A_KIND]:
        words = f"stands still for {format_beside_bounds(still.seconds, [continuity.FROZEN])} s"
        yield NotableMoment(still.second, words, still.seconds > continuity.FROZEN)
    for again in quality.repeats[:_OF_A_KIND]:
        yield NotableMoment(again.second, f"clip {again.clip} is clip {again.of} again", alarm=True)


def _appearance_moments(quality: FilmQuality) -> Iterator[NotableMoment]:
    clips = quality.drift.clips
    colour = max(clips, key=lambda clip: clip.colour)
    words = f"colour {format_beside_bounds(colour.colour, [COLOUR], 1)} of 255 from {quality.drift.reference}"
    yield NotableMoment(_clip_start(quality, colour.clip), words, colour.colour > COLOUR, slow=True)
    soft = min(clips, key=lambda clip: clip.sharpness)
    words = f"{format_beside_bounds(soft.sharpness, SHARPNESS)} as sharp as the first clip"
    yield NotableMoment(
        _clip_start(quality, soft.clip), words, soft.sharpness < SHARPNESS[0], slow=True
    )
    other = min(clips, key=lambda clip: clip.likeness)
    if other.likeness < LIKENESS:
        words = f"likeness to {quality.drift.reference} {format_beside_bounds(other.likeness, [LIKENESS])}"
        yield NotableMoment(_clip_start(quality, other.clip), words, alarm=True, slow=True)


def _face_moments(quality: FilmQuality) -> Iterator[NotableMoment]:
    """Where a part of the face melts for the first time, the first one first; and the worst of one that does not."""
    face = quality.identity
    if face is None:
        return
    for part in face.melted[:_OF_A_KIND]:
        words = f"the {part.region} melts: {part.kept:.2f} of what it was, at {part.second:.0f} s"
        yield NotableMoment(part.lost or 0.0, words, alarm=True, slow=True)
    if not face.melted and face.worst:
        kept = format_beside_bounds(face.worst.kept, [identity.KEPT])
        words = f"the {face.worst.region} keeps {kept} of what it was"
        yield NotableMoment(face.worst.second, words, alarm=False, slow=True)


def _sound_moments(quality: FilmQuality) -> Iterator[NotableMoment]:
    if quality.sound is None:
        return
    for gap in quality.sound.gaps[:_OF_A_KIND]:
        yield NotableMoment(gap.second, f"no sound for {gap.seconds:.2f} s", alarm=True)
    for clip in quality.sound.clipped[:_OF_A_KIND]:
        yield NotableMoment(
            clip.second,
            f"sound cut off at full scale, {count_noun(round(clip.size), 'sample')}",
            alarm=True,
        )


def _clip_start(quality: FilmQuality, clip: int) -> float:
    return clip * quality.clip_frames / quality.fps
