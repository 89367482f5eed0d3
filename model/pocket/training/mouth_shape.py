"""How open, wide and round a drawn mouth is, read from frames: for each presenter a line is fitted to true renders of whose mouth all is known.

Dark pixels alone do not tell how open it is: from a seventh to two fifths of its reach teeth fill what opens, and the widest tenth decides the correlation.

Frames are uint8 [frame, y, x, rgb], cut to where the picture has its mouth. A reader knows nothing of the model.
"""

from dataclasses import dataclass

import numpy as np

from model.pocket.training.measures import Byte, Float, mouth_area, to_luma

_EDGE = 0.3
"""Steps of brightness, summed down a column, with which the column is of the mouth."""
_BRIGHT = 0.8
"""Brightness of teeth."""
_STEADY = 1.0
"""How much a fit is held back."""


@dataclass(frozen=True)
class MouthTrack:
    """What a film's mouth is read to do [frame]."""

    area: Float
    """How many dark pixels there are where the picture has its mouth."""
    opening: Float
    """About the true curve's 0..1, as are the others."""
    width: Float
    rounding: Float

    @property
    def columns(self) -> tuple[Float, Float, Float]:
        """In the order of the true curves: opening, width, rounding."""
        return self.opening, self.width, self.rounding

    def take(self, frames: np.ndarray) -> "MouthTrack":
        """The track of a film that shows these of the frames."""
        return MouthTrack(*(column[frames] for column in (self.area, *self.columns)))


class MouthReader:
    """Reads one presenter's mouth, as `frames` of true renders [frame, y, x, rgb] with these true curves [frame, 3] tell."""

    def __init__(self, frames: Byte, curves: Float) -> None:
        seen = measure_extent(frames)
        self._mean, self._spread = seen.mean(0), np.maximum(seen.std(0), 1e-6)
        known = self._scale(seen)
        square = known.T @ known + _STEADY * np.eye(known.shape[1])
        self._fit = np.linalg.solve(square, known.T @ curves)

    def read(self, frames: Byte) -> MouthTrack:
        """What a mouth does in every frame."""
        seen = measure_extent(frames)
        return MouthTrack(seen[:, 0], *np.asarray(self._scale(seen) @ self._fit, np.float32).T)

    def _scale(self, seen: Float) -> Float:
        scaled = (seen - self._mean) / self._spread
        return np.pad(scaled, ((0, 0), (0, 1)), constant_values=1)


def measure_extent(frames: Byte) -> Float:
    """What is seen of a mouth [frame, 8]: how many dark pixels and how many bright ones there are; and, of edges across it and of edges down it (lips, teeth, tongue), how many columns or rows have some, how far from their middle the steepest lie, and how many there are."""
    luma = to_luma(frames)
    box = (0, 0, frames.shape[2], frames.shape[1])
    parts = [mouth_area(frames, box), (luma > _BRIGHT).sum((1, 2))]
    for axis in (1, 2):
        edges = np.abs(np.diff(luma, axis=axis))
        lines = edges.sum(axis)
        parts += [
            (1 - np.exp(-lines / _EDGE)).sum(1),
            _spread_edges(np.square(edges).sum(axis)),
            lines.sum(1),
        ]
    return np.stack(parts, 1).astype(np.float32)


def _spread_edges(steep: Float) -> Float:
    """Standard deviation [frame] of places with these weights [frame, place]."""
    steep = steep / (steep.sum(1, keepdims=True) + 1e-6)
    place = np.arange(steep.shape[1])
    middle = steep @ place
    spread: Float = np.sqrt(np.maximum(steep @ np.square(place) - np.square(middle), 0))
    return spread
