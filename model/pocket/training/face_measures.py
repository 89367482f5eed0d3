"""Whether a drawn presenter's face is still itself at the end of a film, and whether its old lips show beside its new ones: read from frames, the picture and its boxes.

Frames are uint8 [frame, y, x, rgb], a picture [y, x, rgb]; boxes [3, 4] (x, y, width, height in pixels) are of mouth, left and right eye.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.pocket.face_likeness import FaceLikeness, FrameLikeness, measure_eyes_apart
from model.pocket.face_motion import REGIONS
from model.pocket.training.measures import Byte, Float

EVERY = 4
"""Of so many frames one is measured."""
TOLD = 0.8
"""Likeness in the first second below which a part tells nothing."""
NARROW = 0.4
"""Width of a mouth, of 0..1, below which its corners have left the picture's."""


@dataclass(frozen=True)
class FaceHold:
    """The face at the end of a film against that of its first second."""

    part: str
    """Which part kept least, of eyes, hair, outline and mouth corners."""
    likeness: float
    """Its likeness to the picture at the nearest moment of the end, of that of the beginning."""
    brow: float
    """The same of the worse brow; 1 where none can be told."""
    colour: float
    """How far colours have gone, in the worst channel, of 255: of all parts the middle one."""
    sharpness: float
    """How steep the edges are at the end, against the picture: of all parts the middle one."""
    eyes: float
    """How differently the two eyes go at the end: 0 as one."""


def measure_hold(
    picture: Byte, boxes: NDArray[np.floating], begin: Byte, end: Byte
) -> FaceHold | None:
    """Hold a film's last frames (some seconds, so that a mouth is at rest and eyes are open once) against those of its first second; None where no part can be told."""
    judge = FaceLikeness(picture, boxes)
    (first, _), (last, eyes) = (_measure_frames(judge, frames) for frames in (begin, end))
    told = np.flatnonzero(first.likeness >= TOLD)
    kept = {REGIONS[part]: float(last.likeness[part] / first.likeness[part]) for part in told}
    brows = {name: value for name, value in kept.items() if name.endswith("brow")}
    others = {name: value for name, value in kept.items() if name not in brows}
    if not others:
        return None
    worst = min(others, key=others.__getitem__)
    shift = np.abs(last.colour - first.colour).max(1)
    return FaceHold(
        worst,
        others[worst],
        min(brows.values(), default=1.0),
        float(np.median(shift[told])),
        float(np.nanmedian(last.sharpness[told])),
        eyes,
    )


def find_narrow(width: Float) -> NDArray[np.intp]:
    """Frames, one of EVERY, in which a mouth of this `width` [frame] is so narrow that its corners have left the picture's."""
    return np.flatnonzero(width < NARROW)[::EVERY]


def measure_ghosts(picture: Byte, boxes: NDArray[np.floating], frames: Byte) -> float:
    """How much of the picture's lip corners is still where a stiff head would have them in frames whose mouth is narrow: 0 nothing, 1 all. What a true film of the same motion reads (up to .16) is nobody's fault."""
    judge = FaceLikeness(picture, boxes)
    return float(np.median([judge.measure_frame(frame).stay.mean() for frame in frames]))


def _measure_frames(judge: FaceLikeness, frames: Byte) -> tuple[FrameLikeness, float]:
    """Each part as it is in the frame in which it is likest, and how differently the eyes go."""
    found = [judge.measure_frame(frame) for frame in frames[::EVERY]]
    likeness = np.stack([each.likeness for each in found])
    nearest = np.where(np.isnan(likeness), -1, likeness).argmax(0)
    parts = np.arange(len(REGIONS))
    best = FrameLikeness(
        likeness[nearest, parts],
        np.stack([each.colour for each in found])[nearest, parts],
        np.stack([each.sharpness for each in found])[nearest, parts],
        np.stack([each.stay for each in found]).min(0),
    )
    return best, measure_eyes_apart(likeness)
