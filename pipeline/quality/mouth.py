"""Where the mouth is, and how far it is open: found from the film itself, by what grows dark with its sound.

The pixels of a mouth darken when it opens, and it opens when the sound is loud: no other part of a picture does both. No face is looked for, so that a
drawn face, a photograph and an animal are one to it. It takes ten seconds of speech; of a face that turns away or walks about it finds a smear, and says so
by a low r.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.quality.lag_correlation import (
    LAGS,
    REACH,
    Float,
    find_peak,
    lag_profile,
    remove_trend,
)

Byte = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""

SIDE = 96
"""Cells of the longer side of the grid in which the mouth is looked for."""
LEVELS = 32
"""Steps of darkness."""
_NOISE = 0.004
"""Of a cell's brightness: what changes less is no mouth but the encoder."""
_AS_GOOD = 0.04


@dataclass(frozen=True)
class Mouth:
    """A place in the picture, in parts of its width and height."""

    left: float
    top: float
    right: float
    bottom: float
    r: float
    """How well its best cell follows the sound, 0 to 1."""

    def box(self, width: int, height: int) -> Box:
        """The mouth's box in pixels of a picture of this size: left, top, right, bottom."""
        left, right = int(self.left * width), int(np.ceil(self.right * width))
        top, bottom = int(self.top * height), int(np.ceil(self.bottom * height))
        return left, top, max(right, left + 1), max(bottom, top + 1)

    def jaw(self, width: int, height: int) -> Box:
        """The box, in pixels, of the mouth and all that moves along with it."""
        wide, tall = (self.right - self.left) * 0.4, (self.bottom - self.top) * 0.8
        left, top = max(0.0, self.left - wide), max(0.0, self.top - tall)
        right, bottom = min(1.0, self.right + wide), min(1.0, self.bottom + tall)
        return Mouth(left, top, right, bottom, self.r).box(width, height)


class MouthFinder:
    """Finds the mouth in small grey frames, given in their order; its size does not grow with the film."""

    def __init__(self, loud: Float) -> None:
        self._sound = remove_trend(np.sqrt(loud))
        self._near: deque[Float] = deque(maxlen=2 * REACH + 1)
        self._seen = self._used = 0
        self._sums: list[Float] = []

    def add_frame(self, grey: Float) -> None:
        """Take one more frame [y, x], 0 to 1, into account."""
        self._near.append(grey)
        self._seen += 1
        if len(self._near) < self._near.maxlen:  # type: ignore[operator]
            return
        cells = self._near[REACH] - np.mean(self._near, axis=0)
        frame = self._seen - 1 - REACH
        heard = [self._loudness_at(frame - lag) for lag in LAGS]
        products = np.multiply.outer(np.array(heard, np.float32), cells)
        squares = np.array(heard, np.float32) ** 2
        if not self._sums:
            self._sums = [np.zeros_like(products), np.zeros_like(cells), np.zeros_like(squares)]
        self._sums[0] += products
        self._sums[1] += cells**2
        self._sums[2] += squares
        self._used += 1

    def finish(self) -> Mouth | None:
        """The place of the mouth; None where nothing moves with the sound."""
        if not self._used or self._sums[2].max() <= 0:
            return None
        products, cells, sound = self._sums
        noise = self._used * _NOISE**2
        follows = products / np.sqrt((cells + noise) * np.maximum(sound, 1e-9)[:, None, None])
        dark = np.maximum(-follows, 0) ** 2
        tall, wide = max(2, cells.shape[0] // 11), max(2, cells.shape[1] // 8)
        sums = np.stack([_window_sums(each, tall, wide) for each in dark])
        lag, y, x = np.unravel_index(int(sums.argmax()), sums.shape)
        return _grow_region(dark[lag], (int(y), int(x)), (tall, wide))

    def _loudness_at(self, frame: int) -> float:
        return float(self._sound[frame]) if 0 <= frame < len(self._sound) else 0.0


def _window_sums(values: Float, tall: int, wide: int) -> Float:
    sums = np.cumsum(np.cumsum(np.pad(values, ((1, 0), (1, 0))), 0), 1)
    return np.asarray(
        sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide] + sums[:-tall, :-wide]
    )


def _grow_region(dark: Float, corner: tuple[int, int], window: tuple[int, int]) -> Mouth | None:
    """The region around the best cell of a window: all cells that touch it and follow the sound at least half as well."""
    (y, x), (tall, wide) = corner, window
    inside = dark[y : y + tall, x : x + wide]
    at = np.unravel_index(int(inside.argmax()), inside.shape)
    best = float(inside[at])
    if best <= 0:
        return None
    fits = dark >= best / 4
    region = np.zeros_like(fits)
    region[y + int(at[0]), x + int(at[1])] = True
    for _ in range(2 * max(window)):
        region = _dilate(region) & fits
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    height, width = dark.shape
    return Mouth(
        max(0, int(columns[0]) - 1) / width,
        max(0, int(rows[0]) - 1) / height,
        min(width, int(columns[-1]) + 2) / width,
        min(height, int(rows[-1]) + 2) / height,
        best**0.5,
    )


def _dilate(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(region, 1)
    across = padded[1:-1, :-2] | padded[1:-1, 1:-1] | padded[1:-1, 2:]
    return np.asarray(across | padded[:-2, 1:-1] | padded[2:, 1:-1])


def measure_darkness(grey: Byte, box: Box) -> NDArray[np.uint16]:
    """How much of the box [of 65535] is darker than each of LEVELS steps: it does not change where the head sways within it."""
    left, top, right, bottom = box
    steps = grey[top:bottom, left:right].ravel() >> 3
    below = np.cumsum(np.bincount(steps, minlength=LEVELS)) / steps.size
    return np.asarray(np.rint(below * 65535), np.uint16)


@dataclass(frozen=True)
class MouthOpening:
    """How far the mouth is open at each frame."""

    track: Float
    """The part of the mouth's place that is dark, less what is dark when it is shut."""
    level: int
    """Of darkness: which of LEVELS tells the opening."""
    lag: int
    r: float


def measure_opening(
    dark: NDArray[np.uint16], loud: Float, shut: NDArray[np.uint16] | None
) -> MouthOpening:
    """The opening [frame] out of `measure_darkness` [frame, level]: the level whose area follows the sound best.

    `shut` is the darkness of the reference picture; without one the least dark frames stand for it.
    """
    heard = remove_trend(np.sqrt(loud))
    tracks = dark.astype(np.float32) / 65535
    profiles = [lag_profile(remove_trend(tracks[:, level]), heard) for level in range(LEVELS - 1)]
    best = [float(values.max()) for values in profiles]
    # The darkest that follows nearly as well as any: lips and the shade below them are less dark, and slower.
    level = next(level for level, r in enumerate(best) if r >= max(best) - _AS_GOOD)
    track = tracks[:, level]
    rest = float(np.percentile(track, 10)) if shut is None else float(shut[level]) / 65535
    lag, r = find_peak(profiles[level])
    return MouthOpening(np.maximum(track - rest, 0), level, lag, r)
