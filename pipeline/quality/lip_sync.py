"""Whether the lips move with the sound: of the whole film, and of each clip with its neighbours."""

from dataclasses import dataclass

import numpy as np

from pipeline.quality.frame_tracks import FrameTracks
from pipeline.quality.lag_correlation import (
    Float,
    find_peak,
    lag_profile,
    peak_confidence,
    remove_trend,
)
from pipeline.quality.mouth import measure_opening

TRUSTED = 0.2
"""Confidence below which an offset is a guess. Speech repeats itself five times a second: one syllable early looks like right."""
_HEARD = 0.4
"""Of a clip and its neighbours there must be so much sound."""


@dataclass(frozen=True)
class ClipSync:
    """The lag of mouth against sound in one clip, measured together with the clip before and the one after."""

    clip: int
    offset: int | None
    """Frames by which the mouth is late; None where it cannot be told."""
    r: float
    confidence: float


@dataclass(frozen=True)
class LipSync:
    """The lag of mouth against sound over a whole film, and in each clip."""

    offset: int
    """Frames by which the mouth is late; below 0 it is early."""
    r: float
    confidence: float
    """How far r stands above that at any offset more than two frames away."""
    profile: tuple[float, ...]
    """r at each offset from −10 to 10."""
    clips: tuple[ClipSync, ...]


def measure_lip_sync(tracks: FrameTracks, track: Float) -> LipSync:
    """Correlate the opening of the mouth [frame] with the loudness of the sound."""
    assert tracks.sound is not None, "who hears nothing has no mouth either"
    seen, heard = remove_trend(track), remove_trend(np.sqrt(tracks.sound.loudness))
    whole = lag_profile(seen, heard)
    offset, r = find_peak(whole)
    audible = tracks.sound.loudness > float(np.percentile(tracks.sound.loudness, 95)) / 100
    clips = [
        _sync_of_clip(tracks, clip, (seen, heard), audible)  # type: ignore[arg-type]
        for clip in range(tracks.clips)
    ]
    return LipSync(offset, r, peak_confidence(whole), tuple(float(v) for v in whole), tuple(clips))


def track_mouth_opening(tracks: FrameTracks) -> Float:
    """How far the mouth is open [frame]; empty where no mouth was found."""
    if tracks.sound is None or not tracks.darkness.shape[1]:
        return np.zeros(0, np.float32)
    return measure_opening(tracks.darkness, tracks.sound.loudness, tracks.shut_darkness).track


def _sync_of_clip(
    tracks: FrameTracks, clip: int, pair: tuple[Float, Float], audible: Float
) -> ClipSync:
    first, last = max(clip - 1, 0), min(clip + 1, tracks.clips - 1)
    if (
        last - first < 2
    ):  # the first or the last one: three clips all the same, where there are three
        first, last = max(last - 2, 0), min(first + 2, tracks.clips - 1)
    near = slice(tracks.span(first).start, tracks.span(last).stop)
    values = lag_profile(pair[0][near], pair[1][near])
    offset, r = find_peak(values)
    sure = peak_confidence(values)
    trusted = sure >= TRUSTED and float(audible[near].mean()) >= _HEARD
    return ClipSync(clip, offset if trusted else None, r, sure)
