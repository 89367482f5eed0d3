"""The picture with the faces that are found in it, and what a click on it tells: who speaks, where the mouth is, where the eyes are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import dist
from pathlib import Path
from typing import TYPE_CHECKING

from model.pocket.face_boxes import Box, FaceBoxes, find_middle, format_box, parse_boxes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from model.avatar import ModelTraits
    from model.pocket.face_finder import FoundFace

Point = tuple[float, float]

MOUTH_COLOUR, EYE_COLOUR = "#ff3030", "#30a0ff"
MOUTH_SHARE, EYE_SHARE = (0.16, 0.07), (0.1, 0.06)
"""Width and height of a told box as a share of the picture's shorter side, where no face says better."""
LARGEST_SIDE = 1280
"""Pixels of the picture that is shown; a click is counted in those of the file."""


@dataclass(frozen=True)
class ToldFace:
    """What the fields --mouth, --eyes and --face say, as words; empty where nothing is told."""

    mouth: str = ""
    eyes: str = ""
    face: str = ""

    @property
    def half_an_eye(self) -> bool:
        """Whether one eye is told and the other is not yet."""
        return self.eyes.count(",") == 3

    def list_boxes(self) -> list[tuple[Box, str]]:
        """Each told box that can be read, with its colour."""
        told = [
            (self.mouth, 1, MOUTH_COLOUR),
            (self.eyes, 1 if self.half_an_eye else 2, EYE_COLOUR),
        ]
        found: list[tuple[Box, str]] = []
        for words, count, colour in told:
            try:
                found.extend((box, colour) for box in parse_boxes(words, count))
            except ValueError:  # half typed
                continue
        return found


@dataclass(frozen=True)
class SeenPicture:
    """A picture as the page shows it, and the faces that the film would find in it, in pixels of its file."""

    pixels: "NDArray[np.uint8]"
    """[y, x, rgb] of the whole picture, upright, at most LARGEST_SIDE a side."""
    width: int
    height: int
    """Of the file, upright."""
    faces: "tuple[FoundFace, ...]"

    @property
    def scale(self) -> float:
        """Pixels shown to one of the file."""
        return float(self.pixels.shape[1] / self.width)


def look_at_picture(
    path: Path, traits: "ModelTraits", size: tuple[int, int], crop: str
) -> SeenPicture:
    """The picture in a file, and the faces in what a film of this size shows of it. Raises BadImage."""
    from storage.picture import treat_and_view_picture, treat_picture
    from tasks.viewed_faces import find_in_view

    (_, done), view = treat_and_view_picture(path, width=size[0], height=size[1], crop=crop)
    faces = find_in_view(traits.name, view) if traits.needs_face else ()
    scale = min(1.0, LARGEST_SIDE / max(done.width, done.height))
    width, height = round(done.width * scale), round(done.height * scale)
    pixels, _ = treat_picture(path, width=width, height=height)
    return SeenPicture(pixels, done.width, done.height, faces)


def tell_by_click(seen: SeenPicture, told: ToldFace, point: Point, what: str) -> ToldFace:
    """What is told after a click at a point of the file: `face` chooses the nearest face that was found, `mouth` and `eyes` put a box there."""
    near = min(
        seen.faces, key=lambda face: dist(find_middle(face.boxes.mouth), point), default=None
    )
    if what == "face":
        number = "" if near is None else str(seen.faces.index(near) + 1)
        return ToldFace(face=number)
    boxes = None if near is None else near.boxes
    if what == "mouth":
        size = boxes.mouth[2:] if boxes else sides_of(seen, MOUTH_SHARE)
        return ToldFace(mouth=format_box(box_around(point, size)), eyes=told.eyes)
    size = boxes.left_eye[2:] if boxes else sides_of(seen, EYE_SHARE)
    eye = format_box(box_around(point, size))
    return ToldFace(mouth=told.mouth, eyes=f"{told.eyes},{eye}" if told.half_an_eye else eye)


def sides_of(seen: SeenPicture, shares: tuple[float, float]) -> tuple[float, float]:
    """Width and height of a box that is told where no face says how large it is."""
    side = min(seen.width, seen.height)
    return side * shares[0], side * shares[1]


def box_around(point: Point, size: Sequence[float]) -> Box:
    """The box of this width and height around a point, in whole pixels."""
    width, height = (max(1, round(side)) for side in size)
    return round(point[0] - width / 2), round(point[1] - height / 2), width, height


def draw_boxes(seen: SeenPicture, told: ToldFace) -> "Image":
    """The picture as the page shows it, with the boxes of the face that will speak; those that are told win."""
    from PIL import Image, ImageDraw

    shown = Image.fromarray(seen.pixels)
    pen, thick = ImageDraw.Draw(shown), max(2, round(max(shown.size) / 250))
    for box, colour in boxes_shown(seen.faces, told):
        left, top, width, height = (side * seen.scale for side in box)
        pen.rectangle((left, top, left + width, top + height), outline=colour, width=thick)
    return shown


def boxes_shown(faces: "Sequence[FoundFace]", told: ToldFace) -> Iterable[tuple[Box, str]]:
    """Each box to be drawn with its colour: the told ones, and of the face that speaks those that are not told."""
    boxes = told.list_boxes()
    number = int(told.face) if told.face.isdecimal() and int(told.face) else 1
    if number <= len(faces):
        face: FaceBoxes = faces[number - 1].boxes
        if not told.mouth:
            boxes.append((face.mouth, MOUTH_COLOUR))
        if not told.eyes:
            boxes.extend((eye, EYE_COLOUR) for eye in face.eyes)
    return boxes
