"""Tracks of numbers against each other in time: what of them is quick, and at what lag they agree."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]

LAGS = range(-10, 11)
"""Frames by which a mouth may be early (below 0) or late."""
REACH = 6
"""Frames to either side whose mean is the slow part of a track: a sway of the head, a change of the light."""


def remove_trend(track: Float) -> Float:
    """A track [frame, …] without its slow part: its moving mean along the first axis."""
    padding = [(REACH, REACH)] + [(0, 0)] * (track.ndim - 1)
    sums = np.cumsum(np.pad(track.astype(np.float64), padding, mode="edge"), axis=0)
    sums = np.concatenate([np.zeros_like(sums[:1]), sums])
    mean = (sums[2 * REACH + 1 :] - sums[: -2 * REACH - 1]) / (2 * REACH + 1)
    return np.asarray(track - mean, np.float32)


def correlate_at_lag(late: Float, first: Float, lag: int = 0) -> float:
    """Pearson's r of two tracks, the first one given `lag` frames after the other."""
    a = late[max(lag, 0) : len(late) + min(lag, 0)]
    b = first[max(-lag, 0) : len(first) - max(lag, 0)]
    if min(len(a), len(b)) < 3:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale > 1e-9 else 0.0


def lag_profile(late: Float, first: Float) -> Float:
    """Pearson's r of two tracks at each lag of LAGS, in frames."""
    return np.array([correlate_at_lag(late, first, lag) for lag in LAGS], np.float32)


def find_peak(values: Float) -> tuple[int, float]:
    """The lag in frames with the highest r, and that r, of a profile over LAGS."""
    place = int(np.argmax(values))
    return LAGS[place], float(values[place])


def peak_confidence(values: Float) -> float:
    """How far the best r of a profile over LAGS stands above any that is more than two frames away from it."""
    place = int(np.argmax(values))
    far = np.abs(np.arange(len(values)) - place) > 2
    return float(values[place] - values[far].max())
