"""Where the face is that a film moves: told by flags, or looked for in what the film shows of the picture. Before any work, and once: then it stands in the spec."""

from dataclasses import replace
from math import dist
from typing import TYPE_CHECKING

from model.pocket.face_boxes import (
    EYES_FLAG,
    FACE_FLAG,
    MOUTH_FLAG,
    FaceBoxes,
    clip_box,
    format_box,
    parse_boxes,
)
from storage.errors import BadImage, BadOption
from storage.picture_fit import measure_fit
from tasks.missing_face import TELL, count_faces, explain_no_face

if TYPE_CHECKING:
    from model.avatar import ModelTraits
    from model.pocket.face_finder import FoundFace
    from storage.picture_fit import Size
    from storage.spec import Spec
    from tasks.media import Media
    from tasks.request import Request

LEAST_SHOWN = 0.5
"""Of a box: a film that shows less of a mouth or an eye cannot move it."""
LEAST_WIDTH = 1.0
"""Of a mouth or an eye, in pixels of the film."""


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
            refuse_number(request)
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
    faces = find_upright_faces(request, media)
    if request.face is None:
        face = min(faces, key=lambda each: measure_distance(each.boxes, request))
    elif request.face > len(faces):
        reason = f"{count_faces(media)}; leave it out, or tell the place: {TELL}"
        raise BadOption(FACE_FLAG, request.face, reason)
    else:
        face = faces[request.face - 1]
    if not face.has_mouth and request.mouth is None:
        reason = f"no mouth was found under its eyes ({face.boxes.eyes_text}); tell where it is, in the picture's pixels: {MOUTH_FLAG} x,y,w,h"
        raise BadImage(request.image, reason)
    return face.boxes


def find_upright_faces(request: "Request", media: "Media") -> "tuple[FoundFace, ...]":
    """The faces that are found, at least one, the largest first. Raises BadImage where there is none, or it is not upright."""
    if media.turn:
        raise BadImage(request.image, f"its face is not upright; turn it by {media.turn} first")
    if not media.faces:
        raise BadImage(request.image, explain_no_face(request.image, media))
    return media.faces


def refuse_number(request: "Request") -> None:
    """Raise BadOption where a face is asked for by its number though its place is told."""
    if request.face is not None:
        reason = f"{MOUTH_FLAG} and {EYES_FLAG} tell the face already; leave it out"
        raise BadOption(FACE_FLAG, request.face, reason)


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
        if whole[2] < LEAST_WIDTH:
            size = f"{spec.width}*{spec.height}"
            reason = f"the {name} at {format_box(box)} is {whole[2]:.1f} pixels wide in the film, too small to be moved; cut the picture to the face, or take a larger one"
            raise BadOption("--size", size, reason)
        shown = clip_box(whole, spec.width, spec.height)
        if shown[2] * shown[3] < LEAST_SHOWN * whole[2] * whole[3]:
            reason = f"the {name} at {format_box(box)} is cut off; take a --crop that shows it, such as contain"
            raise BadOption("--crop", spec.crop, reason)
    return face.map_boxes(lambda box: clip_box(fit.to_film(box), spec.width, spec.height))
