"""Where the face is that a film moves: told by flags, or looked for in what the film shows of the picture. Before any work, and once: then it stands in the spec."""

from dataclasses import replace
from math import dist
from typing import TYPE_CHECKING

from model import avatar
from model.pocket.face_boxes import (
    EYES_FLAG,
    FACE_FLAG,
    MOUTH_FLAG,
    Box,
    FaceBoxes,
    clip_box,
    format_box,
    parse_boxes,
)
from storage.errors import BadImage, BadOption, count_noun
from storage.picture_fit import measure_fit

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from model.avatar import ModelTraits
    from model.pocket.face_finder import FoundFace
    from storage.picture import PictureView
    from storage.picture_fit import Size
    from storage.spec import Spec
    from tasks.defaults import Media
    from tasks.request import Request

    Pixels = NDArray[np.uint8]

TELL = f"{MOUTH_FLAG} x,y,w,h {EYES_FLAG} x,y,w,h,x,y,w,h"
DOUBTFUL = 0.3
"""A confidence below which a person is asked to look where the face was found."""
UPRIGHT = 0.75
"""A confidence from which a picture is held for upright without a second look: hair above a chin was taken for a face with up to 0.7."""
TURNED = 0.5, 0.2
"""How sure a turned picture's face must be, and how much surer than the one that was found as it is."""
TURNS: "tuple[tuple[str, Callable[[Pixels], Pixels]], ...]" = (
    ("180°", lambda pixels: pixels[::-1, ::-1]),
    ("90° clockwise", lambda pixels: pixels.transpose(1, 0, 2)[:, ::-1]),
    ("90° counterclockwise", lambda pixels: pixels.transpose(1, 0, 2)[::-1]),
)
LEAST_SHOWN = 0.5
"""Of a box: a film that shows less of a mouth or an eye cannot move it."""


def find_in_view(model: str, view: "PictureView") -> "tuple[FoundFace, ...]":
    """The faces that a model's finder sees in a view, in whole pixels of the picture's file; the largest that is sure first."""
    found = avatar.find_faces(model, view.pixels)
    return tuple(
        replace(face, boxes=face.boxes.map_boxes(view.fit.to_picture).map_boxes(round_box))
        for face in found
    )


def find_turn(model: str, view: "PictureView", confidence: float) -> str:
    """By how much a picture must be turned for its face to be upright, in words; empty where it is upright. `confidence`: of the face that was found as it is, 0 for none."""
    for words, turn in TURNS if confidence < DOUBTFUL else TURNS[: confidence < UPRIGHT]:
        found = avatar.find_faces(model, turn(view.pixels))
        if found and found[0].confidence >= max(TURNED[0], confidence + TURNED[1]):
            return words
    return ""


def round_box(box: Box) -> Box:
    """The box in whole pixels, at least one each way."""
    x, y, width, height = box
    left, top = round(x), round(y)
    return left, top, max(1, round(x + width) - left), max(1, round(y + height) - top)


def find_told_face(request: "Request", traits: "ModelTraits", media: "Media") -> str:
    """The boxes that flags tell, as the spec has them; empty where they say nothing, or the model needs none. Raises BadOption, BadImage."""
    asked = (request.mouth, request.eyes, request.face)
    if not traits.needs_face or asked == (None, None, None):
        return ""
    return str(choose_face(request, media))


def settle_face(request: "Request", media: "Media", spec: "Spec") -> "Spec":
    """The spec of a new run with the face in it that the film shows. Raises BadOption, BadImage."""
    face = FaceBoxes.from_text(spec.face_boxes) if spec.face_boxes else choose_face(request, media)
    map_to_film(face, (media.picture.width, media.picture.height), spec)
    return replace(spec, face_boxes=str(face))


def choose_face(request: "Request", media: "Media") -> FaceBoxes:
    """Where the face is, in pixels of the picture's file: what is told wins, the rest is looked for. Raises BadOption, BadImage."""
    try:
        if request.mouth is not None and request.eyes is not None:
            face = FaceBoxes.from_options(request.mouth, request.eyes)
        else:
            face = pick_face(request, media)
            mouth = format_box(face.mouth) if request.mouth is None else request.mouth
            eyes = face.eyes_text if request.eyes is None else request.eyes
            face = FaceBoxes.from_options(mouth, eyes)
    except ValueError as reason:
        flag, word = (
            (MOUTH_FLAG, request.mouth) if request.mouth is not None else (EYES_FLAG, request.eyes)
        )
        raise BadOption(flag, word, str(reason)) from None
    face.check(media.picture.width, media.picture.height)
    return face


def pick_face(request: "Request", media: "Media") -> FaceBoxes:
    """The face that is asked for by its number, else the one that a told mouth or told eyes are nearest to, else the first. Raises BadImage where none was found, BadOption where there are not so many."""
    faces = media.faces
    if media.turn:
        raise BadImage(request.image, f"its face is not upright; turn it by {media.turn} first")
    if not faces:
        cut = "what the film shows of it (--crop contain shows all)" if media.picture.cut else "it"
        reason = f"no face was found in {cut}; tell where mouth and eyes are, in its pixels: {TELL}"
        raise BadImage(request.image, reason)
    if request.face is None:
        return min((face.boxes for face in faces), key=lambda each: measure_distance(each, request))
    if request.face > len(faces):
        reason = f"{count_noun(len(faces), 'face')} found; leave it out, or tell the place: {TELL}"
        raise BadOption(FACE_FLAG, request.face, reason)
    return faces[request.face - 1].boxes


def measure_distance(face: FaceBoxes, request: "Request") -> float:
    """How far a face is from the part that is told, in pixels; 0 where none is."""
    if request.mouth is not None:
        (told,), found = parse_boxes(request.mouth, 1), face.mouth
    elif request.eyes is not None:
        told, found = min(parse_boxes(request.eyes, 2)), face.left_eye
    else:
        return 0.0
    return dist(told[:2], found[:2])


def map_to_film(face: FaceBoxes, picture: "Size", spec: "Spec") -> FaceBoxes:
    """Boxes of a picture of this size in the film's pixels, cut to the film. Raises BadOption where the film shows too little of one."""
    fit = measure_fit(picture, (spec.width, spec.height), spec.crop)
    for name, box in zip(("mouth", "left eye", "right eye"), face, strict=True):
        whole = fit.to_film(box)
        shown = clip_box(whole, spec.width, spec.height)
        if shown[2] * shown[3] < LEAST_SHOWN * whole[2] * whole[3]:
            reason = f"the {name} at {format_box(box)} is cut off; take a --crop that shows it, such as contain"
            raise BadOption("--crop", spec.crop, reason)
    return face.map_boxes(lambda box: clip_box(fit.to_film(box), spec.width, spec.height))
