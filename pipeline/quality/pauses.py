"""What the film does while nobody speaks: the mouth shuts, and the rest goes on living."""

from dataclasses import dataclass

import numpy as np

from pipeline.quality.audio_metrics import find_stretches
from pipeline.quality.frame_tracks import SWAY, FrameTracks
from pipeline.quality.lag_correlation import Float

SHORTEST = 0.6
"""Seconds of silence that are a pause and no breath between two sentences."""
QUIET, LOUDEST = -50.0, -30.0
"""dB against the film's loud moments: what is below the first is silence; a noisy room is, too, up to the second."""
ROOM = 2.0
"""Times the quietest moments' loudness that are still the room."""
OPEN = 0.05
"""Of the mouth's mean opening in speech, which counts as shut."""
EDGE = 3
"""Frames in which it may shut, and open again before the next word."""
LONG = 4.0
"""Seconds of a pause by whose motion it may be judged alone."""


@dataclass(frozen=True)
class Pause:
    """One stretch in which nobody speaks, and what mouth and body do in it."""

    second: float
    seconds: float
    shuts_after: int | None
    """Frames until the mouth is shut; None where nothing was said before."""
    mouth: float | None
    """Its mean opening three frames after, against that in speech."""
    motion: float | None
    """How much head and body move, against speech; None where it is too short to tell."""


@dataclass(frozen=True)
class Pauses:
    """All pauses of a film, and what mouth and body do over all of them."""

    pauses: tuple[Pause, ...]
    mouth: float | None
    motion: float | None
    shuts_after: int | None
    """The slowest."""


def find_pauses(tracks: FrameTracks, opening: Float) -> Pauses | None:
    """The pauses of a film, by its loudness; None where there is none, or no sound."""
    if tracks.sound is None:
        return None
    silent = find_silence(tracks.sound.loudness)
    least = SHORTEST * tracks.fps
    spans = [(start, stop) for start, stop in find_stretches(silent) if stop - start >= least]
    if not spans or silent.all():
        return None
    speech = ~silent
    spoken = float(opening[speech].mean()) if len(opening) else 0.0
    reach = round(SWAY * tracks.fps)
    speech_motion = (
        float(tracks.sway[reach:][speech[reach:]].mean()) if speech[reach:].any() else 0.0
    )
    pauses = [
        _measure_pause(tracks, span, opening / spoken if spoken > 0 else None, speech_motion)
        for span in spans
    ]
    mouths = [(each.mouth, each.seconds) for each in pauses if each.mouth is not None]
    moved = np.concatenate([tracks.sway[start + reach : stop] for start, stop in spans])
    shut = [each.shuts_after for each in pauses if each.shuts_after is not None]
    enough = len(moved) >= tracks.fps and speech_motion > 0
    return Pauses(
        tuple(pauses),
        sum(m * s for m, s in mouths) / sum(s for _, s in mouths) if mouths else None,
        float(moved.mean()) / speech_motion if enough else None,
        max(shut, default=None),
    )


def find_silence(loud: Float) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """True for each frame [frame] in which only the room is heard."""
    speech = float(np.percentile(loud, 95))
    room = ROOM * float(np.percentile(loud, 5))
    level = min(max(room, speech * 10 ** (QUIET / 20)), speech * 10 ** (LOUDEST / 20))
    return np.asarray(loud <= level)


def _measure_pause(
    tracks: FrameTracks, span: tuple[int, int], opening: Float | None, speech_motion: float
) -> Pause:
    start, stop = span
    reach = round(SWAY * tracks.fps)
    moved = tracks.sway[start + reach : stop]
    long_enough = stop - start >= LONG * tracks.fps and speech_motion > 0
    mouth = None if opening is None else float(opening[start + EDGE : stop - EDGE].mean())
    return Pause(
        start / tracks.fps,
        (stop - start) / tracks.fps,
        None if opening is None or start == 0 else _first_shut_frame(opening[start : stop - EDGE]),
        mouth,
        float(moved.mean()) / speech_motion if long_enough else None,
    )


def _first_shut_frame(opening: Float) -> int:
    """The index of the first frame with a shut mouth; the length where there is none."""
    shut = np.flatnonzero(opening <= OPEN)
    return int(shut[0]) if len(shut) else len(opening)
