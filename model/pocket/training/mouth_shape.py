"""How wide and how round a drawn mouth is, read from frames: for each presenter a line is fitted to true renders of whose mouth all is known.

Frames are uint8 [frame, y, x, rgb], cut to where the picture has its mouth. A reader knows nothing of the model.
"""

from dataclasses import dataclass

import numpy as np

from model.pocket.training.measures import Byte, Float, mouth_area, to_luma

_EDGE = 0.3
"""Steps of brightness, summed down a column, with which the column is of the mouth."""
_STEADY = 1.0
"""How much a fit is held back."""


@dataclass(frozen=True)
class MouthTrack:
    """What a film's mouth is read to do [frame]."""

    area: Float
    """How many dark pixels there are where the picture has its mouth."""
    width: Float
    """About the true curve's 0..1."""
    rounding: Float

    @property
    def columns(self) -> tuple[Float, Float, Float]:
        """In the order of the true curves: opening, width, rounding."""
        return self.area, self.width, self.rounding

    def take(self, frames: np.ndarray) -> "MouthTrack":
        """The track of a film that shows these of the frames."""
        return MouthTrack(*(column[frames] for column in self.columns))


class MouthReader:
    """Reads one presenter's mouth, as `frames` of true renders [frame, y, x, rgb] with these true curves [frame, 3] tell."""

    def __init__(self, frames: Byte, curves: Float) -> None:
        seen = measure_extent(frames)
        self._mean, self._spread = seen.mean(0), np.maximum(seen.std(0), 1e-6)
        known = self._scale(seen)
        square = known.T @ known + _STEADY * np.eye(known.shape[1])
        self._fit = np.linalg.solve(square, known.T @ curves[:, 1:])

    def read(self, frames: Byte) -> MouthTrack:
        """Opening, width and rounding in every frame."""
        seen = measure_extent(frames)
        width, rounding = np.asarray(self._scale(seen) @ self._fit, np.float32).T
        return MouthTrack(seen[:, 0], width, rounding)

    def _scale(self, seen: Float) -> Float:
        scaled = (seen - self._mean) / self._spread
        return np.pad(scaled, ((0, 0), (0, 1)), constant_values=1)


def measure_extent(frames: Byte) -> Float:
    """What is seen of a mouth [frame, 3]: how many dark pixels, how many columns with edges of lips, teeth and tongue, and how far from their middle the steepest of these edges lie."""
    edges = np.abs(np.diff(to_luma(frames), axis=1))
    wide = (1 - np.exp(-edges.sum(1) / _EDGE)).sum(1)
    steep = np.square(edges).sum(1)
    steep /= steep.sum(1, keepdims=True) + 1e-6
    place = np.arange(steep.shape[1])
    middle = steep @ place
    spread = np.sqrt(np.maximum(steep @ np.square(place) - np.square(middle), 0))
    box = (0, 0, frames.shape[2], frames.shape[1])
    return np.stack([mouth_area(frames, box), wide, spread], 1).astype(np.float32)
