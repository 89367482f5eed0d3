"""Whether a picture shows its teeth, so that a film of it keeps within what can be drawn of such a mouth. Without torch."""

import math
from collections.abc import Sequence

import numpy as np

from model.pocket.face_boxes import FaceBoxes, find_middle
from model.pocket.face_finder import LEFT_CORNER, RIGHT_CORNER, Byte, Detection, Float, fit_mesh

# Points of the mesh, from one side of the mouth to the other: the inner and the outer edge of each lip.
UPPER_INNER, UPPER_OUTER = [81, 82, 13, 312, 311], [39, 37, 0, 267, 269]
LOWER_INNER, LOWER_OUTER = [178, 87, 14, 317, 402], [181, 84, 17, 314, 405]
BETWEEN = (0.35, 0.5, 0.65)
"""Where teeth are looked for, from the lower lip to the upper one."""
SHUT, PARTED = 0.05, 0.09
"""How far lips are apart, in distances of the eyes' outer corners: until here they may be shut, from here on they are not. Of 11 photographs that show teeth 0.057 to 0.158, of 7 that do not up to 0.034; of shut drawn mouths up to 0.14."""
LIPS, TEETH = 1.04, 1.14
"""How bright it is between the lips, in brightnesses of the lips: until here it is lips or a dark mouth, from here on it may be teeth. Of the same 1.11 to 1.66, and 0.4 to 0.81; of shut drawn mouths up to 1.22."""
RED, WHITE = 0.82, 0.74
"""How colourful it is there, of the lips' own: from here on lips, until here teeth. Of the same 0.18 to 0.74, and above 1; of shut drawn mouths, but for one of 24, above 0.8 where the other two do not tell."""
LEAST_PRESENCE = 0.5
_LUMA = np.array([0.299, 0.587, 0.114])
_SIDE = 2.2
"""Of a face in distances of its eyes."""


def measure_teeth(picture: Byte, face: FaceBoxes) -> float:
    """How plainly teeth show between the lips of a picture [y, x, rgb]: 0 not at all, 1 beyond doubt; in hundredths, so that it is the same on every machine."""
    presence, points = fit_boxes(picture, face)
    if presence < LEAST_PRESENCE:
        return 0.0
    upper, lower = points[UPPER_INNER], points[LOWER_INNER]
    apart = np.linalg.norm(upper - lower, axis=1).mean()
    wide = np.linalg.norm(points[LEFT_CORNER] - points[RIGHT_CORNER])
    inner = [lower + share * (upper - lower) for share in BETWEEN]
    lips = [(points[UPPER_OUTER] + upper) / 2, (points[LOWER_OUTER] + lower) / 2]
    inside, around = (_read_colours(picture, places) for places in (inner, lips))
    light, colour = (
        float(np.median(x) / np.median(y)) for x, y in zip(inside, around, strict=True)
    )
    shown = (
        _rise(float(apart / max(wide, 1e-6)), SHUT, PARTED)
        * _rise(light, LIPS, TEETH)
        * _rise(colour, RED, WHITE)
    )
    return round(shown, 2)


def fit_boxes(picture: Byte, face: FaceBoxes) -> tuple[float, Float]:
    """What `fit_mesh` says of a face whose boxes are known: how sure it is, and its points."""
    from PIL import Image

    mouth, left, right = (np.array(find_middle(box), np.float32) for box in face)
    keypoints = np.stack([left, right, (mouth + left + right) / 3, mouth, left, right])
    side = _SIDE * math.dist(left, right)
    return fit_mesh(Image.fromarray(picture), Detection(1.0, keypoints.mean(0), side, keypoints))


def _read_colours(picture: Byte, places: Sequence[Float]) -> tuple[Float, Float]:
    """How bright, 1 to 256, and how colourful, above 0, the pixels at some places [n, x and y] are; a place beside the picture is its edge."""
    height, width = picture.shape[:2]
    x, y = np.concatenate(places).astype(int).T
    seen = picture[y.clip(0, height - 1), x.clip(0, width - 1)].astype(np.float64)
    return seen @ _LUMA + 1, np.ptp(seen, 1) / (seen.max(1) + 1) + 0.02


def _rise(value: float, low: float, high: float) -> float:
    """0 until low, 1 from high on, which may be the lower one."""
    return min(max((value - low) / (high - low), 0.0), 1.0)
