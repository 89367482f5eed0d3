"""face.png: a small picture in the run that shows where mouth and eyes were taken to be."""

import io
from typing import TYPE_CHECKING

from storage.publish import publish_bytes
from storage.run_paths import face_picture_path
from tasks.by_products import write_by_product

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.pocket.face_boxes import FaceBoxes
    from storage.run import Run

SIDE = 256
"""Pixels of its longer side at the most."""
COLOURS = ("#ff3030", "#30a0ff", "#30a0ff")
"""Of mouth, left and right eye."""


def publish_face_picture(run: "Run", picture: "NDArray[np.uint8]", face: "FaceBoxes") -> None:
    """Put it beside the run's inputs; a film can do without."""
    drawn = draw_face(picture, face)
    write_by_product("face", 0, lambda: publish_bytes(face_picture_path(run.root), drawn))


def draw_face(picture: "NDArray[np.uint8]", face: "FaceBoxes") -> bytes:
    """A picture [y, x, rgb] with the boxes of a face in it, as PNG."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE))
    across, down = image.width / picture.shape[1], image.height / picture.shape[0]
    pen = ImageDraw.Draw(image)
    for (x, y, width, height), colour in zip(face, COLOURS, strict=True):
        corners = (x * across, y * down, (x + width) * across - 1, (y + height) * down - 1)
        pen.rectangle((*corners[:2], *map(max, corners[:2], corners[2:])), outline=colour)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
