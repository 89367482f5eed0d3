"""How like a frame's face is to the picture that it is of, region by region, after its motion is undone. Without torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.pocket.face_motion import LONG, REGIONS, SHORT, Byte, FaceTracker, Float, weigh_points
from model.pocket.mouth_corners import MouthCorners

_BLOCK = (4, 5)
"""Points of a block along and across a region: within each the structure is compared."""
_NOISE = 6.0
"""Of 255: the standard deviation of what an encoder and a little light may change in a block."""
_FLAT = 4.0
"""Of 255 from point to point: a region without steeper edges has no sharpness."""
_MEASURED = 0.5
"""A region of which less lies in the picture is not measured."""


@dataclass(frozen=True)
class FrameLikeness:
    """One frame against the picture; arrays [region], NaN where there is nothing to measure it by."""

    likeness: Float
    """Structural similarity (Wang et al. 2004, its contrast and structure) of all colours, −1..1; 1 is the same."""
    colour: Float
    """The region's mean colour less the picture's [region, rgb], of 255; of an eye the middle counts most."""
    sharpness: Float
    """How steep its edges are, against the picture's."""
    stay: Float
    """How much of each corner of the picture's own lips [left, right] is where a stiff head would have it (`mouth_corners.py`)."""


class FaceLikeness:
    """Measures frames against one picture [y, x, rgb] of the film's size with these boxes [3, 4] (x, y, width, height) of mouth, left eye and right eye."""

    def __init__(self, picture: Byte, boxes: NDArray[np.floating]) -> None:
        self.tracker = FaceTracker(picture, boxes)
        self._still, inside = self.tracker.still, self.tracker.inside
        self._corners = MouthCorners(self.tracker)
        self._blocks = _make_blocks()
        points = weigh_points()
        shares = points * _weigh_irises()
        self._shares = shares / shares.sum(1, keepdims=True)
        blocks = np.stack([points, inside], -1)
        weights, whole = np.moveaxis(self._blocks @ blocks, -1, 0)
        self._weights = weights * (whole > 0.999)
        self._mean, self._variance = self._describe(self._still)
        slope = _measure_slope(self._still)
        self._slope = np.where(slope < _FLAT, np.float32(np.nan), slope)
        self._missing = inside.mean(1) < _MEASURED

    def measure_frame(self, frame: Byte) -> FrameLikeness:
        """How like a frame [y, x, rgb] is."""
        face = self.tracker.follow(frame)
        seen = face.sample_regions()
        shift: Float = np.einsum("rp,rpc->rc", self._shares, seen - self._still)
        sharpness = np.asarray(_measure_slope(seen) / self._slope, np.float32)
        found = FrameLikeness(
            self._compare(seen), shift, sharpness, self._corners.measure_stay(face)
        )
        for each in (found.likeness, found.colour, found.sharpness):
            each[self._missing] = np.nan
        return found

    def _describe(self, values: Float) -> tuple[Float, Float]:
        """Mean colour of each block, and the variance of its colours, all channels together."""
        mean = self._blocks @ values
        return mean, np.asarray((self._blocks @ (values * values) - mean * mean).sum(-1))

    def _compare(self, seen: Float) -> Float:
        mean, variance = self._describe(seen)
        shared = (self._blocks @ (self._still * seen) - self._mean * mean).sum(-1)
        noise = 3 * _NOISE**2
        alike = (2 * shared + noise) / (self._variance + variance + noise)
        weight = (np.maximum(self._variance, variance) + noise / 4) * self._weights
        return np.asarray((alike * weight).sum(1) / np.maximum(weight.sum(1), 1e-6), np.float32)


def measure_eyes_apart(likeness: Float) -> float:
    """How differently two eyes go, out of the likeness [frame, region] of a film: the mean difference of each to its own best. 0: they blink and glance as one."""
    eyes = likeness[:, :2] / np.maximum(likeness[:, :2].max(0), 1e-6)
    return float(np.abs(eyes[:, 0] - eyes[:, 1]).mean())


def _make_blocks() -> Float:
    """What takes the means of all blocks out of a region's points [block, point]."""
    along, across = LONG // _BLOCK[0], SHORT // _BLOCK[1]
    of = np.arange(LONG)[:, None] // _BLOCK[0] * across + np.arange(SHORT) // _BLOCK[1]
    belongs = of.ravel() == np.arange(along * across)[:, None]
    return np.asarray(belongs / (_BLOCK[0] * _BLOCK[1]), np.float32)


def _weigh_irises() -> Float:
    """What the colour of each point counts [region, point]: in the middle of an eye, where its iris is, more."""
    along = (np.arange(LONG) - (LONG - 1) / 2) / (LONG / 2)
    across = (np.arange(SHORT) - (SHORT - 1) / 2) / (SHORT / 2)
    weights = np.ones((len(REGIONS), LONG, SHORT), np.float32)
    weights[:2] = np.exp(-0.5 * ((along[:, None] / 0.3) ** 2 + (across / 0.4) ** 2))
    return weights.reshape(len(REGIONS), -1)


def _measure_slope(values: Float) -> Float:
    """Root mean square of the steps of brightness from point to point [region]."""
    grey = values[..., 1].reshape(-1, LONG, SHORT)
    along, across = np.diff(grey, axis=1), np.diff(grey, axis=2)
    steps = np.square(along).mean((1, 2)) + np.square(across).mean((1, 2))
    return np.asarray(np.sqrt(steps), np.float32)
