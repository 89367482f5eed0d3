"""A film as numbers: some forty bytes a frame, and nothing else of it is kept."""

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.quality.audio_metrics import SoundLevels
from pipeline.quality.frame_metrics import (
    Byte,
    measure_change,
    measure_change_outside,
    measure_flow,
    measure_likeness,
    measure_sharpness,
)
from pipeline.quality.identity import FaceTrack
from pipeline.quality.lag_correlation import Float
from pipeline.quality.mouth import LEVELS, Mouth, measure_darkness
from pipeline.quality.speaker_lips import SpeakerTrack

SWAY = 0.5
"""Seconds over which a head's motion is seen."""
CRISP_EVERY = 4
"""Sharpness is slow to change and dear to see: of every so many frames."""


_EACH = 5
"""Numbers of each frame, beside its colours and the darkness of its mouth."""


@dataclass(frozen=True)
class FrameViews:
    """One frame in the sizes in which it is looked at."""

    full: Byte
    """Brightness as it is in the film."""
    grey: Byte
    """Brightness, 256 pixels long at most."""
    cells: Byte
    """Brightness, 96 pixels long at most."""
    rgb: Byte
    """Colours, 32 pixels long at most."""


@dataclass(frozen=True)
class FrameTracks:
    """Numbers of each frame of one film."""

    fps: float
    clip_frames: int
    joints: bool
    """Whether clips meet there; else they are spans of the film of another tool."""
    sound: SoundLevels | None
    mouth: Mouth | None
    darkness: NDArray[np.uint16]
    """[frame, level] of the mouth's place; no levels where no mouth was found."""
    shut_darkness: NDArray[np.uint16] | None
    """The same of the reference picture."""
    change: Float
    """Against the frame before, of 255; 0 at the first."""
    flow: Float
    """The same as motion, in parts of the width."""
    sway: Float
    """Change over half a second without mouth and jaw, of 255; 0 in the first half second."""
    sharpness: Float
    colour: Float
    """[frame, rgb] of 255."""
    likeness: Float
    picture_sharpness: float | None
    """Of the reference picture."""
    picture_colour: Float | None
    face: FaceTrack | None = None
    """Of one frame of `identity.EVERY`; None where nobody knows where mouth and eyes are."""
    speakers: tuple[SpeakerTrack, ...] = ()
    """Of each of several speakers, where it is known where their mouths are."""

    @property
    def frames(self) -> int:
        """Number of frames in the film."""
        return len(self.change)

    @property
    def clips(self) -> int:
        """Number of clips in the film, the last one perhaps shorter."""
        return -(-self.frames // self.clip_frames)

    def span(self, clip: int) -> slice:
        """The slice of frames that a clip has."""
        return slice(clip * self.clip_frames, min((clip + 1) * self.clip_frames, self.frames))


class FrameMeter:
    """Measures a film's frames in their order; keeps a few numbers of each, and half a second of small pictures."""

    def __init__(self, fps: float, mouth: Mouth | None, reference: FrameViews | None) -> None:
        self._mouth, self._reference = mouth, reference
        self._reach = max(1, round(SWAY * fps))
        self._past: list[Byte] = []
        self._cells: Float | None = None
        self._first = reference
        self._dark, self._numbers, self._colours = array("H"), array("f"), array("f")
        self._sharp = 0.0

    def add_frame(self, views: FrameViews) -> None:
        """Measure the next frame."""
        self._first = self._first or views
        cells = views.cells.astype(np.float32) / 255
        before = self._past[-1] if self._past else views.grey
        moved = measure_flow(cells, cells if self._cells is None else self._cells)
        sway = 0.0
        if len(self._past) == self._reach:
            sway = measure_change_outside(
                views.grey, self._past.pop(0), self._box(views.grey, jaw=True)
            )
        self._past.append(views.grey)
        self._cells = cells
        self._numbers.extend(
            (
                measure_change(views.grey, before),
                moved,
                sway,
                self._sharpness_now_and_then(views),
                self._likeness(views),
            )
        )
        self._colours.extend(views.rgb.mean((0, 1)))
        if self._mouth is not None:
            self._dark.extend(self._darkness(views))

    def finish(
        self, sound: SoundLevels | None, clip_frames: int, *, fps: float, joints: bool
    ) -> FrameTracks:
        """The tracks of all frames that were added."""
        numbers = np.array(self._numbers, np.float32).reshape(-1, _EACH)
        given = self._reference
        shut_darkness = None if given is None or self._mouth is None else self._darkness(given)
        return FrameTracks(
            fps=fps,
            clip_frames=clip_frames,
            joints=joints,
            sound=None if sound is None else sound.fit_to_frames(len(numbers)),
            mouth=self._mouth,
            darkness=np.array(self._dark, np.uint16).reshape(
                len(numbers), LEVELS if self._mouth else 0
            ),
            shut_darkness=shut_darkness,
            change=numbers[:, 0],
            flow=numbers[:, 1],
            sway=numbers[:, 2],
            sharpness=numbers[:, 3],
            colour=np.array(self._colours, np.float32).reshape(-1, 3),
            likeness=numbers[:, 4],
            picture_sharpness=None if given is None else self._sharpness(given),
            picture_colour=None if given is None else given.rgb.mean((0, 1), dtype=np.float32),
        )

    def _box(self, grey: Byte, *, jaw: bool = False) -> tuple[int, int, int, int]:
        if self._mouth is None:
            return 0, 0, 0, 0
        height, width = grey.shape
        return self._mouth.jaw(width, height) if jaw else self._mouth.box(width, height)

    def _darkness(self, views: FrameViews) -> NDArray[np.uint16]:
        return measure_darkness(views.grey, self._box(views.grey))

    def _sharpness_now_and_then(self, views: FrameViews) -> float:
        if not len(self._numbers) % (_EACH * CRISP_EVERY):
            self._sharp = self._sharpness(views)
        return self._sharp

    def _sharpness(self, views: FrameViews) -> float:
        return measure_sharpness(views.full, self._box(views.full, jaw=True))

    def _likeness(self, views: FrameViews) -> float:
        assert self._first is not None, "the first frame stands for a picture that is not given"
        seen = np.ones(views.rgb.shape[:2], np.bool_)
        left, top, right, bottom = self._box(seen, jaw=True)  # type: ignore[arg-type]
        seen[top:bottom, left:right] = False
        return measure_likeness(
            views.rgb.astype(np.float32), self._first.rgb.astype(np.float32), seen
        )
