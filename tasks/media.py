"""What was given for a film, looked at and listened to."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.viewed_faces import find_in_view, find_turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.pocket.face_finder import FoundFace
    from storage.picture import PictureView, Treatment
    from storage.pose_video import PoseVideo
    from storage.soundtrack import SoundFacts


@dataclass(frozen=True)
class SpeakerSound:
    """A speaker's own sound, listened to in whole."""

    path: Path
    facts: "SoundFacts"
    digest: str
    """SHA-256 of its file."""


@dataclass(frozen=True)
class Media:
    """What was given, looked at, listened to and hashed: once for a request."""

    picture: "Treatment"
    pixels: "NDArray[np.uint8]"
    """The picture as the film shows it [y, x, rgb], at the size that was asked for."""
    sound: "SoundFacts"
    image: str
    """SHA-256 of the picture's file."""
    audio: str
    """SHA-256 of the sound's file."""
    identity: tuple[int, ...] | None
    """Of the picture's file before it was read (storage/input_files.py): while it stays, pixels and hash are of the same bytes."""
    model: str
    poses: "PoseVideo | None"
    """What the film takes of the pose video."""
    pose: str
    """SHA-256 of its file; empty without one."""
    view: "PictureView"
    """What the film shows of the picture, in which the model looks for faces."""
    others: "tuple[SpeakerSound, ...]" = ()
    """The sounds of further speakers, after the first one's."""

    @property
    def seconds(self) -> Fraction:
        """Length of the longest sound."""
        return max(self.sound.seconds, *(each.facts.seconds for each in self.others), Fraction(0))

    @cached_property
    def faces(self) -> "tuple[FoundFace, ...]":
        """The faces that are found in it, in the pixels of the picture's file, the largest that is sure first. Looked for once, when it is asked."""
        return find_in_view(self.model, self.view)

    @cached_property
    def turn(self) -> str:
        """By how much the picture must be turned for its face to be upright, in words; empty where it is upright."""
        sure = self.faces[0].mesh_confidence if self.faces else 0.0
        return find_turn(self.model, self.view, sure)
