"""The faces that a model's finder sees in what a film shows of a picture, and by how much that must be turned for one to be upright."""

from collections.abc import Callable
from dataclasses import replace
from math import atan2, degrees
from typing import TYPE_CHECKING

from model import registry
from model.pocket.face_boxes import Box, find_middle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.pocket.face_finder import FoundFace
    from storage.picture import PictureView

    Pixels = NDArray[np.uint8]

FINE = 8
"""Pixels of a picture below which a box is no longer told in whole ones."""
UPRIGHT = 0.75
"""A confidence from which a picture is held for upright without a second look: hair above a chin was taken for a face with up to 0.7."""
TURNED = 0.6, 0.2
"""How sure a turned picture's face must be, and how much surer than the one that was found as it is."""
LEAST_TILT = 20
"""Degrees by which a face must lean for a turn to be told that is no multiple of 90."""
TURNS: "tuple[tuple[int, Callable[[Pixels], Pixels]], ...]" = (
    (180, lambda pixels: pixels[::-1, ::-1]),
    (90, lambda pixels: pixels.transpose(1, 0, 2)[:, ::-1]),
    (-90, lambda pixels: pixels.transpose(1, 0, 2)[::-1]),
)
"""Degrees clockwise."""


def find_in_view(model: str, view: "PictureView") -> "tuple[FoundFace, ...]":
    """The faces that a model's finder sees in a view, in pixels of the picture's file; the largest that is sure first."""
    found = registry.find_faces(model, view.pixels)
    return tuple(
        replace(face, boxes=face.boxes.map_boxes(view.fit.to_picture).map_boxes(round_box))
        for face in found
    )


def round_box(box: Box) -> Box:
    """The box in whole pixels, a small one in quarters; at least one of these each way."""
    parts = 1 if min(box[2:]) >= FINE else 4
    left, top = round(box[0] * parts), round(box[1] * parts)
    right, bottom = round((box[0] + box[2]) * parts), round((box[1] + box[3]) * parts)
    width, height = max(1, right - left), max(1, bottom - top)
    return left / parts, top / parts, width / parts, height / parts


def find_turn(model: str, view: "PictureView", confidence: float) -> str:
    """By how much a picture must be turned for its face to be upright, in words; empty where it is upright. `confidence`: of the face that was found as it is, 0 for none."""
    for turn, change in TURNS if confidence < UPRIGHT else ():
        found = registry.find_faces(model, change(view.pixels))
        if found and found[0].mesh_confidence >= max(TURNED[0], confidence + TURNED[1]):
            tilt = measure_tilt(found[0])
            return describe_turn(turn - (5 * round(tilt / 5) if abs(tilt) >= LEAST_TILT else 0))
    return ""


def measure_tilt(face: "FoundFace") -> float:
    """By how many degrees a face leans clockwise, as one sees it."""
    (left, upper), (right, lower) = map(find_middle, face.boxes.eyes)
    return degrees(atan2(lower - upper, right - left))


def describe_turn(clockwise: int) -> str:
    """Degrees in words, the shorter way round: `90° counterclockwise`."""
    shorter = (clockwise + 179) % 360 - 179
    if shorter == 180:
        return "180°"
    return f"{abs(shorter)}° {'clockwise' if shorter > 0 else 'counterclockwise'}"
