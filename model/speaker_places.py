"""Where the speakers of a film are in its picture. Light: no library is loaded."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.pocket.face_boxes import FaceBoxes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_SPEAKERS = 4


@dataclass(frozen=True)
class SpeakerPlaces:
    """The place of each of several speakers, in the film's pixels: a face for models that move one, else a mask."""

    faces: tuple[FaceBoxes, ...] = ()
    masks: "NDArray[np.bool_] | None" = None
    """[speaker, y, x]: whether a pixel is of a speaker."""


Place = FaceBoxes | SpeakerPlaces | None
"""What a model is told of who speaks: one face, several speakers, or nothing."""
