"""What the networks that look for faces look at: turned squares cut out of a picture. Without torch."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from model.pocket.face_network import FaceNetwork

if TYPE_CHECKING:
    from PIL.Image import Image

Float = NDArray[np.floating[Any]]

WEIGHTS = Path(__file__).parent / "weights"


@lru_cache(maxsize=3)
def load_network(name: str) -> FaceNetwork:
    """One of the networks, read once."""
    return FaceNetwork.load(WEIGHTS / name)


@dataclass(frozen=True)
class Square:
    """A turned square of a picture."""

    x: float
    y: float
    """The middle, in pixels."""
    side: float
    angle: float
    """Radians, clockwise as one sees it."""

    def to_picture(self, points: Float) -> Float:
        """Points [n, x and y] of the square, 0 to 1 along its sides, in the picture's pixels."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turned = (points - 0.5) @ np.array([[cos, sin], [-sin, cos]], np.float32)
        return turned * self.side + np.array([self.x, self.y], np.float32)

    def cut_out(self, picture: "Image", pixels: int) -> Float:
        """The square as so many pixels a side [y, x, rgb], 0 to 255; black beside the picture."""
        from PIL.Image import Resampling, Transform

        step = self.side / pixels
        if step > 2:  # the transform below looks at four pixels alone
            across, down = (max(1, round(n * 1.5 / step)) for n in picture.size)
            reduced = picture.resize((across, down), Resampling.BOX)
        else:
            reduced = picture
        corners = self.to_picture(np.array([[0, 0], [1, 0], [0, 1]], np.float32))
        corners *= np.array(reduced.size, np.float32) / picture.size
        left, top = corners[0]
        along, below = (corners[n] / pixels - corners[0] / pixels for n in (1, 2))
        matrix = (along[0], below[0], left, along[1], below[1], top)
        found = reduced.transform(
            (pixels, pixels), Transform.AFFINE, tuple(map(float, matrix)), Resampling.BILINEAR
        )
        return np.asarray(found, np.float32)


def sigmoid(values: Float) -> Float:
    """1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-np.clip(values, -80, 80)))
