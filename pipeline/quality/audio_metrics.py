"""The sound of a film as numbers, block by block: how loud each frame is, where it is at full scale, where it breaks off."""

from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.quality.lag_correlation import Float

FULL_SCALE = 0.999
FULL_RUN = 3
"""Samples in a row at full scale that are clipping: one alone is a peak."""
HOPS = 200
"""Looks a second at the level, for gaps."""
SILENT, ABRUPT = -60.0, 20.0
"""dB against the film's loud moments: below the one there is nothing, and within two hops of a break there is more than the other below them."""
HEARD = 40.0
"""dB below its loud moments down to which the sound that the film was made of must be there."""
GAP = (0.12, 2.0)
"""Seconds that a gap may last where nobody knows what was meant: shorter ones are speech (t, p, k), longer ones are pauses."""
SLACK = 3
"""Hops by which the film's sound may be beside that which it was made of: AAC smears an edge so far."""


@dataclass(frozen=True)
class SoundLevels:
    """Loudness, peak and clipping of a film's sound, a number a frame."""

    loudness: Float
    """Root mean square of each frame's samples, over all channels."""
    peak: Float
    clipped: Float
    """Samples of each frame in runs at full scale."""
    levels: Float
    """dB of each hop."""
    seconds: float
    holes: tuple[tuple[float, float], ...] = ()
    """Where the file has no samples at all: second, and how many."""

    def fit_to_frames(self, frames: int) -> "SoundLevels":
        """The levels of a film of so many frames: silence where the sound has ended, nothing beyond the last frame."""
        pad = (0, max(0, frames - len(self.loudness)))
        loudness, peak, clipped = (
            np.pad(each[:frames], pad) for each in (self.loudness, self.peak, self.clipped)
        )
        return replace(self, loudness=loudness, peak=peak, clipped=clipped)


class SoundMeter:
    """Measures a film's samples, block by block in their order."""

    def __init__(self, rate: int, fps: float) -> None:
        self._rate, self._fps = rate, fps
        self._energy, self._count = NumberedSums(), NumberedSums()
        self._full = NumberedSums()
        self._peak = array("f")
        self._hop_energy, self._hop_count = NumberedSums(), NumberedSums()
        self._run, self._end = 0, 0
        self._holes: list[tuple[float, float]] = []

    def add_samples(self, samples: Float, first: int) -> None:
        """Measure samples [channel, sample] of −1 to 1, the first of which is the film's sample number `first`."""
        if first < 0:
            samples, first = samples[:, -first:], 0
        if not samples.size:
            return
        if first > self._end + 1:
            self._holes.append((self._end / self._rate, (first - self._end) / self._rate))
            self._run = 0
        places = first + np.arange(samples.shape[1])
        frames = (places * (self._fps / self._rate)).astype(np.int64)
        energy, top = (samples**2).mean(0), np.abs(samples).max(0)
        self._energy.add(frames, energy)
        self._count.add(frames)
        self._full.add(frames, self._in_runs(top >= FULL_SCALE))
        hops = places * HOPS // self._rate
        self._hop_energy.add(hops, energy)
        self._hop_count.add(hops)
        self._note_peaks(frames, top)
        self._end = int(places[-1]) + 1

    def finish(self, frames: int) -> SoundLevels:
        """The levels of all samples, for a film of so many frames."""
        mean = self._energy.first(frames) / np.maximum(self._count.first(frames), 1)
        hops = len(self._hop_count)
        level = self._hop_energy.first(hops) / np.maximum(self._hop_count.first(hops), 1)
        peak = np.zeros(frames, np.float32)
        known = self._peak[:frames]
        peak[: len(known)] = known
        return SoundLevels(
            np.sqrt(mean).astype(np.float32),
            peak,
            self._full.first(frames).astype(np.float32),
            (10 * np.log10(np.maximum(level, 1e-12))).astype(np.float32),
            self._end / self._rate,
            tuple(self._holes),
        )

    def _note_peaks(self, frames: NDArray[np.int64], top: Float) -> None:
        self._peak.extend([0.0] * (int(frames[-1]) + 1 - len(self._peak)))
        starts = np.flatnonzero(np.diff(frames, prepend=-1))
        for start, high in zip(starts, np.maximum.reduceat(top, starts), strict=True):
            frame = int(frames[start])
            self._peak[frame] = max(self._peak[frame], float(high))

    def _in_runs(self, full: NDArray[np.bool_]) -> Float:
        """1 at each sample that stands in a run of full scale; a run goes on from the block before."""
        found = np.zeros(len(full), np.float32)
        edges = np.flatnonzero(np.diff(full.astype(np.int8), prepend=0, append=0))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            before = self._run if start == 0 else 0
            if stop - start + before >= FULL_RUN:
                found[start:stop] = 1
        tail = int(len(full) - edges[-2]) if len(edges) and full[-1] else 0
        self._run = tail + (self._run if tail == len(full) else 0)
        return found


class NumberedSums:
    """Sums of values by an index that only grows, in an array that grows with it."""

    def __init__(self) -> None:
        self._sums = np.zeros(1024)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, numbers: NDArray[np.int64], values: Float | None = None) -> None:
        """Add each value (1 where none is given) to the sum at its index; indices are in ascending order."""
        first, last = int(numbers[0]), int(numbers[-1])
        while last >= len(self._sums):
            self._sums = np.concatenate([self._sums, np.zeros_like(self._sums)])
        self._sums[first : last + 1] += np.bincount(numbers - first, values, last - first + 1)
        self._length = max(self._length, last + 1)

    def first(self, count: int) -> NDArray[np.float64]:
        """The sums at the first `count` indices; 0 beyond the last."""
        return np.pad(self._sums[: min(count, self._length)], (0, max(0, count - self._length)))


@dataclass(frozen=True)
class Gap:
    """A hole in the sound: where it begins and how long it is, in seconds."""

    second: float
    seconds: float


def find_gaps(sound: SoundLevels, meant: SoundLevels | None = None) -> list[Gap]:
    """Where the sound is missing: where it is silent and `meant`, the sound that the film was made of, is not.

    Where that is not known: where it breaks off and comes back at once. A pause of a speaker fades; a stop of the tongue is shorter, or fades on one side.
    """
    found = [Gap(*hole) for hole in sound.holes]
    if not len(sound.levels):
        return found
    usual = float(np.percentile(sound.levels, 95))
    silent = sound.levels < usual + SILENT
    if meant is not None:
        # A copy may be louder or softer than what it was made of.
        silent &= (
            _lowest_nearby(meant.levels, len(silent)) > np.percentile(meant.levels, 95) - HEARD
        )
    for start, stop in find_stretches(silent):
        if meant is not None or _is_abrupt(sound.levels, start, stop, usual - ABRUPT):
            found.append(Gap(start / HOPS, (stop - start) / HOPS))
    return found


def find_stretches(true: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches of True as pairs: the first index, and the one behind the last."""
    edges = np.flatnonzero(np.diff(true.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _is_abrupt(levels: Float, start: int, stop: int, floor: float) -> bool:
    before, after = levels[max(start - 2, 0) : start], levels[stop : stop + 2]
    if not len(before) or not len(after) or not GAP[0] <= (stop - start) / HOPS <= GAP[1]:
        return False
    return bool(min(before.max(), after.max()) > floor)


def _lowest_nearby(levels: Float, count: int) -> Float:
    """The lowest level within SLACK hops of each hop; −120 dB beyond the end."""
    padded = np.pad(
        levels[:count], (SLACK, SLACK + max(0, count - len(levels))), constant_values=-120
    )
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * SLACK + 1).min(1))
