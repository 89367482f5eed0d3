"""Whether the corners of a picture's own closed lips stay where they were when the mouth grows narrow: a ghost beside the new mouth. Without torch.

Where a mouth grows narrow, skin comes to where its corners were. Of a patch at each corner, the step from the skin beside it is compared with that of the
picture: 1 where the corner is still there, about 0 where skin is. In speech a mouth is narrow now and then, so that the least of many frames tells.
"""

import numpy as np
from numpy.typing import NDArray

from model.pocket.face_motion import FaceAxes, FaceTracker, Float, Points, TrackedFace, sample_image

_BESIDE = 4
"""Rows of the search above and below, against which a line stands out."""
_ROW, _COLUMN = 0.02, 0.0125
"""Steps of the search in eye distances, and in widths of the mouth's box."""
_REACH = 0.6
"""In widths of the mouth's box: how far out a corner is looked for."""
_INNER, _USUAL = 0.68, 0.83
"""Of that: no corner lies nearer to the middle; and where it lies when none is seen."""
_FADED = 0.35
"""Of its usual strength: where the line between the lips is fainter, it has ended."""
_COLUMNS, _ROWS = 10, 13
_DEPTH, _HEIGHT = 0.2, 0.1
"""Of a corner's patch: inward, in its distance from the middle; up and down, in eye distances."""
_SKIN = 0.06
"""How far beside the corner skin is taken, in eye distances."""


class MouthCorners:
    """The patches at both corners of a picture's closed lips, and the skin beside them."""

    def __init__(self, tracker: FaceTracker) -> None:
        picture, axes = tracker.picture, tracker.axes
        places = find_corners(picture, axes)
        patches, skins = [], []
        slow = np.stack([np.ones(_ROWS), np.linspace(-1, 1, _ROWS)], 1)
        detail = np.eye(_ROWS) - slow @ np.linalg.pinv(slow)
        self._detail = detail.astype(np.float32)
        rows = np.linspace(-_HEIGHT, _HEIGHT, _ROWS)
        for place in places:
            side = np.sign(place.real)
            columns = np.linspace(0, _DEPTH, _COLUMNS) * abs(place.real)
            inward = place - side * columns[:, None] + 1j * rows
            beside = place + side * _SKIN + 0 * columns[:, None] + 1j * rows
            patches.append(axes.to_pixels(axes.mouth + inward.ravel()))
            skins.append(axes.to_pixels(axes.mouth + beside.ravel()))
        self._patches, self._skins = np.stack(patches), np.stack(skins)
        self._step = self._compare(picture, self._patches, self._skins)
        self._size = np.square(self._step).sum((1, 2)) + 1

    def measure_stay(self, face: TrackedFace) -> Float:
        """How much of each corner [left, right] is where a stiff head would have it: 1 all, 0 none."""
        patches, skins = (face.place_on_head(points) for points in (self._patches, self._skins))
        step = self._compare(face.image, patches, skins)
        return np.asarray((step * self._step).sum((1, 2)) / self._size, np.float32)

    def _compare(self, image: NDArray[np.generic], patches: Points, skins: Points) -> Float:
        """What patches have beside the skin [corner, point, rgb], without what changes slowly from above to below: shade, a beard's edge."""
        step = sample_image(image, patches) - sample_image(image, skins)
        return np.asarray((self._detail @ step.reshape(2, _COLUMNS, _ROWS, 3)).reshape(step.shape))


def find_corners(picture: NDArray[np.generic], axes: FaceAxes) -> tuple[complex, complex]:
    """The left and the right corner of the lips, from the middle of the mouth's box, in eye distances: the ends of the line that is followed outward from the middle."""
    across = np.arange(-_REACH, _REACH + 1e-6, _COLUMN) * axes.mouth_width
    down = np.arange(-0.36, 0.361, _ROW)
    grid = axes.to_pixels(axes.mouth + across + 1j * down[:, None])
    seen = sample_image(picture, grid)
    around = (seen[: -2 * _BESIDE] + seen[2 * _BESIDE :]) / 2
    line = np.abs(seen[_BESIDE:-_BESIDE] - around).sum(-1)
    rows = down[_BESIDE:-_BESIDE]
    middle = len(across) // 2
    strength = line[:, middle - 3 : middle + 4].mean(1)
    begin = int(np.where(np.abs(rows) < 0.2, strength, 0).argmax())
    found = []
    for side in (-1, 1):
        way = line[:, middle::side]
        row, column = _follow_line(way, begin)
        found.append(complex(across[middle + side * column], rows[row]))
    return found[0], found[1]


def _follow_line(way: Float, row: int) -> tuple[int, int]:
    """Row and column where a line ends that begins in this row of the first column [row, column]."""
    path = []
    for column in way.T:
        low = max(0, row - 2)
        row = low + int(column[low : row + 3].argmax())
        path.append((row, float(column[row])))
    strengths = np.array([strength for _, strength in path])
    usual = float(np.median(strengths[: len(path) // 2]))
    faint = np.flatnonzero(strengths[int(_INNER * len(path)) :] < _FADED * usual)
    end = int(_INNER * len(path)) + int(faint[0]) if len(faint) else int(_USUAL * len(path))
    return path[end][0], end
