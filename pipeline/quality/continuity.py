"""Whether the film flows: where clips meet, where it stands still, where it jumps, where it shows a clip again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.quality.audio_metrics import find_stretches
from pipeline.quality.frame_tracks import FrameTracks
from pipeline.quality.lag_correlation import Float

STILL = 0.05
"""Mean change, of 255, below which a frame is the one before: what a still picture has after an encoder. Breath alone has twice that."""
_CALM = 0.12
"""Of the film's median change: in a wide picture with a small head in it all changes are small."""
_REFRESH = 2.0
"""Of 255: what an encoder's key frame changes of a picture that stands still, at most; it ends no frozen stretch."""
FROZEN = 0.5
"""Seconds."""
JUMP = 2.5
"""A jump changes so many times what 99 of 100 frames stay below."""
_FAINT = 0.5
"""Of 255: no change below that is a jump, however still the film is."""
SAME_DIFFERENCE = 0.2
"""Clips whose changes differ by less than that part of themselves are one clip shown twice."""
_BACK = 100
"""Clips back to which a repeated one is looked for."""
WORST = 10


@dataclass(frozen=True)
class Moment:
    """A place in the film, in seconds, and how large what happens there is."""

    second: float
    seconds: float
    size: float


@dataclass(frozen=True)
class Seams:
    """How much the first frame of each clip changes, against the frames inside of clips."""

    change: float
    """Mean frame difference there, over the mean inside."""
    flow: float
    """The same of optical flow."""
    worst: tuple[Moment, ...]
    """The largest; size is over the mean inside."""


@dataclass(frozen=True)
class Repeat:
    """A clip that shows an earlier one again."""

    clip: int
    of: int
    second: float
    difference: float


def measure_seams(tracks: FrameTracks) -> Seams | None:
    """The changes where clips meet; None where no clips meet."""
    joints = np.arange(tracks.clip_frames, tracks.frames, tracks.clip_frames)
    if not tracks.joints or not len(joints):
        return None
    inside = np.ones(tracks.frames, np.bool_)
    inside[joints] = inside[0] = False

    def ratio(track: Float) -> Float:
        return np.asarray(track[joints] / max(float(track[inside].mean()), 1e-6))

    change, flow = ratio(tracks.change), ratio(tracks.flow)
    order = np.argsort(change)[::-1][:WORST]
    worst = (Moment(float(joints[i]) / tracks.fps, 1 / tracks.fps, float(change[i])) for i in order)
    return Seams(float(change.mean()), float(flow.mean()), tuple(worst))


def find_frozen(tracks: FrameTracks) -> list[Moment]:
    """Stretches in which nothing moves, the longest first; `seconds` is how long the same frame is shown."""
    still = tracks.change < min(STILL, _CALM * float(np.median(tracks.change)))
    still[0] = False
    still |= _find_refreshes(still, tracks.change)
    found = [
        Moment((start - 1) / tracks.fps, (stop - start + 1) / tracks.fps, stop - start)
        for start, stop in find_stretches(still)
        if stop - start > 1
    ]
    return sorted(found, key=lambda moment: -moment.seconds)


def _find_refreshes(still: NDArray[np.bool_], change: Float) -> NDArray[np.bool_]:
    """Single frames that change a little, three still ones before and three after them."""
    near = np.lib.stride_tricks.sliding_window_view(np.pad(still, 3), 7)
    around = near[:, :3].all(1) & near[:, 4:].all(1)
    return np.asarray(~still & around & (change < _REFRESH))


def find_jumps(tracks: FrameTracks) -> list[Moment]:
    """Frames that change far more than the film is wont to, the largest first; `size` is over what 99 of 100 frames stay below."""
    if tracks.frames < 3:
        return []
    usual = max(float(np.percentile(tracks.change[1:], 99)), float(np.median(tracks.change[1:])))
    # In a short film the jump itself is among the hundredth: it must not be its own measure.
    rest = np.sort(tracks.change[1:])[: -max(1, tracks.frames // 100 + 1)]
    usual = max(float(rest[-1]) if len(rest) else usual, _FAINT)
    size = tracks.change / usual
    found = [
        Moment(int(at) / tracks.fps, 1 / tracks.fps, float(size[at]))
        for at in np.flatnonzero(size > 1)
    ]
    return sorted(found, key=lambda moment: -moment.size)


def find_repeats(tracks: FrameTracks) -> list[Repeat]:
    """Clips whose frames change exactly as those of one of the hundred clips before them."""
    whole = tracks.frames // tracks.clip_frames
    shape = tracks.change[: whole * tracks.clip_frames].reshape(whole, tracks.clip_frames)[:, 1:]
    found = []
    for clip in range(1, whole):
        before = shape[max(0, clip - _BACK) : clip]
        scale = np.maximum((before.mean(1) + shape[clip].mean()) / 2, STILL)
        differences = np.abs(before - shape[clip]).mean(1) / scale
        nearest = int(differences.argmin())
        # What stands still is like itself: that is told as frozen.
        if differences[nearest] < SAME_DIFFERENCE and shape[clip].mean() > STILL:
            of = clip - len(before) + nearest
            second = clip * tracks.clip_frames / tracks.fps
            found.append(Repeat(clip, of, second, float(differences[nearest])))
    return found
