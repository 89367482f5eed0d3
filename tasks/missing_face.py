"""Why a model finds no face in a picture, and the way out, in words: it is not upright, it is cut off, it is small, or it must be told."""

from typing import TYPE_CHECKING

from model import avatar, registry
from model.pocket.face_boxes import EYES_FLAG, MOUTH_FLAG
from storage.errors import count_noun
from storage.picture import treat_and_view_picture
from storage.picture_fit import measure_fit

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tasks.media import Media

    Pixels = NDArray[np.uint8]

TELL = f"{MOUTH_FLAG} x,y,w,h {EYES_FLAG} x,y,w,h,x,y,w,h"
DOUBTFUL = 0.3
"""A confidence below which a person is asked to look where the face was found."""
NEAR = 0.6
"""The share of a picture's sides that is looked at by itself for a small face."""
SMALL = 0.2
"""A share of the picture's longer side above which a face would be found as it is."""


def explain_no_face(path: "Path", media: "Media") -> str:
    """What is wrong with a picture in which no face was found, and what to do."""
    if media.picture.cut and (ways := list_ways(path, media)):
        return f"no face was found in what the film shows of it; {ways}"
    if share := measure_small_face(media.model, media.view.pixels):
        return f"a face was found that is small, {share:.0%} of what the film shows; cut the picture to it, or tell where mouth and eyes are, in its pixels: {TELL}"
    return f"no face was found in it; tell where mouth and eyes are, in its pixels: {TELL}"


def list_ways(path: "Path", media: "Media") -> str:
    """What shows a face of a picture that is cut off, in words: a crop, and the size of the picture's own shape; empty where no face is in it."""
    crop = find_crop(path, media)
    return f"--crop {crop} shows one, --size {size_of_shape(media)} all of the picture" if crop else ""  # fmt: skip


def count_faces(media: "Media") -> str:
    """How many faces were found, in words; of a picture that is cut off also the size that shows all of it."""
    found = f"{count_noun(len(media.faces), 'face')} found"
    if not media.picture.cut:
        return found
    return f"{found} in what the film shows of the picture, --size {size_of_shape(media)} shows all of it"


def size_of_shape(media: "Media") -> str:
    """The size that has the film's shorter side and the picture's shape, as --size takes it."""
    multiple = registry.describe_model(media.model, avatar.Options()).size_multiple
    wide, tall = media.picture.width, media.picture.height
    side = min(media.pixels.shape[:2])
    longer = max(round(side * max(wide, tall) / min(wide, tall) / multiple), 1) * multiple
    return f"{longer}*{side}" if wide > tall else f"{side}*{longer}"


def measure_small_face(model: str, pixels: "Pixels") -> float:
    """The largest face that is only seen from nearer, as a share of the picture's longer side; 0 where there is none that is small."""
    height, width = pixels.shape[:2]
    down, across = round(NEAR * height), round(NEAR * width)
    parts = (
        pixels[y : y + down, x : x + across]
        for y in (0, height - down)
        for x in (0, width - across)
    )
    found = (face.size for part in parts for face in registry.find_faces(model, part))
    shares = (size / max(height, width) for size in found)
    return max((share for share in shares if share < SMALL), default=0.0)


def find_crop(path: "Path", media: "Media") -> str:
    """The --crop that shows a face of a picture; empty where none does."""
    height, width = media.pixels.shape[:2]
    whole = treat_and_view_picture(path, width=width, height=height, crop="contain")[1].pixels
    ways = (
        ("top", "cover", "bottom")
        if {"top", "bottom"} & media.picture.cut.keys()
        else ("left", "cover", "right")
    )
    for crop in ways:
        fit = measure_fit((whole.shape[1], whole.shape[0]), (width, height), crop)
        left, top, right, bottom = map(round, fit.shown)
        if registry.find_faces(media.model, whole[top:bottom, left:right]):
            return crop
    return "contain" if registry.find_faces(media.model, whole) else ""
