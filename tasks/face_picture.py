"""face.png: a small picture in the run that shows where mouth and eyes were taken to be."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from storage.publish import publish_bytes
from storage.run_paths import face_picture_path
from tasks.by_products import write_by_product

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.pocket.face_boxes import Box, FaceBoxes
    from storage.picture_fit import Size
    from storage.run import Run

SIDE = 256
"""Pixels of its longer side."""
AROUND = 4
"""It is so many times as large as mouth and eyes together, if there is so much of the film's picture."""
COLOURS = ("#ff3030", "#30a0ff", "#30a0ff")
"""Of mouth, left and right eye."""


def publish_face_picture(
    run: "Run", picture: "NDArray[np.uint8]", faces: "Sequence[FaceBoxes]"
) -> None:
    """Put it beside the run's inputs; a film can do without."""
    drawn = draw_faces(picture, faces)
    write_by_product("face", 0, lambda: publish_bytes(face_picture_path(run.root), drawn))


def draw_faces(picture: "NDArray[np.uint8]", faces: "Sequence[FaceBoxes]") -> bytes:
    """What of a picture [y, x, rgb] is around one face or several, with the boxes in it, as PNG."""
    from PIL import Image, ImageDraw

    image, boxes = Image.fromarray(picture), [box for face in faces for box in face]
    left, top, right, bottom = frame_boxes(image.size, boxes)
    scale = SIDE / max(right - left, bottom - top)
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    shown = image.resize(size, Image.Resampling.LANCZOS, box=(left, top, right, bottom))
    pen = ImageDraw.Draw(shown)
    for (x, y, width, height), colour in zip(boxes, COLOURS * len(faces), strict=True):
        begin = (x - left) * scale, (y - top) * scale
        end = begin[0] + width * scale - 1, begin[1] + height * scale - 1
        pen.rectangle((*begin, *map(max, begin, end)), outline=colour)
    file = io.BytesIO()
    shown.save(file, "PNG")
    return file.getvalue()


def frame_boxes(picture: "Size", boxes: "Sequence[Box]") -> tuple[float, float, float, float]:
    """The left, upper, right and lower edge of the part of a picture of this size that faces with these boxes are shown in."""
    first = [min(box[n] for box in boxes) for n in (0, 1)]
    last = [max(box[n] + box[n + 2] for box in boxes) for n in (0, 1)]
    most = AROUND * max(b - a for a, b in zip(first, last, strict=True))
    sides = [min(most, whole) for whole in picture]
    left, top = (
        min(max((a + b - side) / 2, 0), whole - side)
        for a, b, side, whole in zip(first, last, sides, picture, strict=True)
    )
    return left, top, left + sides[0], top + sides[1]
