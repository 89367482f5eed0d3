"""Whether the face stays the picture's: eyes, brows, hair, outline and mouth corners, clip by clip, after the face's motion is undone.

Blinks, glances, speech and raised brows come and go, and what melts does not come back. So a clip is as like the picture as its nearest moments are, those of
the clip before and the one after included, region by region; and what it was in the first second is what it is held against.
"""

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.pocket.face_likeness import FaceLikeness, measure_eyes_apart
from model.pocket.face_motion import REGIONS
from pipeline.quality.lag_correlation import Float

EVERY = 6
"""Of so many frames one is measured."""
KEPT = 0.8
"""Of the likeness of the first second: what has less has melted. True films keep .92 or more."""
BROW_KEPT = 0.65
"""The same of brows, which a presenter who acts slants and raises: of true films the worst keeps .70."""
COLOUR = 12.0
"""Of 255: eyes, hair and outline of true films go 9 at most, where a glance moves an iris."""
SHARPNESS = (0.9, 1.15)
"""Against the picture's: true films have .99 to 1.01."""
TOLD = 0.8
"""Likeness in the first second below which a region tells nothing: a brow under a fringe, or a mouth that is never at rest."""
EYES_APART = 0.07
"""True films have .055 at most, of heads that are turned aside; most have less than .01."""
_EXPRESSIVE = ("brow", "mouth corner")
"""Parts whose colour is what they do."""
_FIRST = 1.0
"""Seconds."""
_CORNERS = 2
_LEAVES = 10
"""Percent of the frames in which a mouth in speech is narrow, at least."""


@dataclass(frozen=True)
class FaceTrack:
    """Measured frames of one film against its picture."""

    likeness: Float
    """[measured frame, region], as sharpness. NaN where a region cannot be measured."""
    colour: Float
    """[measured frame, region, rgb]"""
    sharpness: Float
    stay: Float
    """[measured frame, corner]"""


@dataclass(frozen=True)
class RegionIdentity:
    """How one part of the face holds over a film."""

    region: str
    first: float
    """Likeness in the first second, 1 is the picture's."""
    last: float
    """In the last clip."""
    kept: float
    """The lowest of all clips, of that of the first second."""
    second: float
    """Where that clip begins."""
    lost: float | None
    """The second from which on it is below its level for the first time."""
    colour: float
    """How far its colour goes from that of the first second, in the worst channel, of 255."""
    sharpness: float | None
    """How steep its edges are in the last clip, against the picture; None where it has none."""
    clips: tuple[float, ...]
    """Likeness of each clip with its neighbours."""


@dataclass(frozen=True)
class Identity:
    """How a face holds over a film, part by part."""

    regions: tuple[RegionIdentity, ...]
    """Those that could be told."""
    eyes_apart: float | None
    """How differently the two eyes go: 0 as one; None where one of them tells nothing."""
    stay: float
    """How much of both corners of the picture's own lips stays when the mouth is narrow: 0 none; near 1 also where it is never narrow."""

    @property
    def worst(self) -> RegionIdentity | None:
        """The part that kept least, but for brows; None where there are only these."""
        return self._find_worst(brows=False)

    @property
    def worst_brow(self) -> RegionIdentity | None:
        """The brow that kept less; None where none can be told."""
        return self._find_worst(brows=True)

    def _find_worst(self, *, brows: bool) -> RegionIdentity | None:
        parts = (each for each in self.regions if is_brow(each.region) == brows)
        return min(parts, key=lambda each: each.kept, default=None)

    @property
    def faded(self) -> RegionIdentity:
        """That of eyes, hair and outline whose colour goes furthest."""
        still = [each for each in self.regions if not each.region.endswith(_EXPRESSIVE)]
        return max(still or self.regions, key=lambda each: each.colour)

    @property
    def sharpness(self) -> float | None:
        """How steep the face's edges are in the last clip, against the picture's: of all parts the middle one; None where none has edges."""
        known = [each.sharpness for each in self.regions if each.sharpness is not None]
        return float(np.median(known)) if known else None

    @property
    def melted(self) -> tuple[RegionIdentity, ...]:
        """The parts that are lost, the first lost first."""
        lost = [each for each in self.regions if each.lost is not None]
        return tuple(sorted(lost, key=lambda each: each.lost or 0.0))


def is_brow(region: str) -> bool:
    """Whether a region is one of the two brows."""
    return region.endswith("brow")


class FaceMeter:
    """Measures frames of a film, given in their order; keeps some hundred bytes of each."""

    def __init__(self, picture: NDArray[np.uint8], boxes: NDArray[np.floating]) -> None:
        self._likeness = FaceLikeness(picture, boxes)
        self._numbers = array("f")

    def add_frame(self, frame: NDArray[np.uint8]) -> None:
        """Measure the next frame [y, x, rgb]."""
        found = self._likeness.measure_frame(frame)
        for values in (found.likeness, found.colour, found.sharpness, found.stay):
            self._numbers.extend(values.ravel())

    def finish(self) -> FaceTrack:
        """The track of all frames that were added."""
        ends = np.cumsum([len(REGIONS), 3 * len(REGIONS), len(REGIONS)])
        numbers = np.array(self._numbers, np.float32).reshape(-1, ends[-1] + _CORNERS)
        likeness, colour, sharpness, stay = np.split(numbers, ends, axis=1)
        return FaceTrack(likeness, colour.reshape(-1, len(REGIONS), 3), sharpness, stay)


def measure_identity(track: FaceTrack, *, fps: float, clip_frames: int) -> Identity | None:
    """How the face holds over a film of which one frame of EVERY was measured; None where no region can be told."""
    seconds = np.arange(len(track.likeness)) * EVERY / fps
    clip = np.arange(len(track.likeness)) * EVERY // clip_frames
    early = track.likeness[seconds < _FIRST]
    begin, first = early.argmax(0), early.max(0)
    spans = [(clip >= number - 1) & (clip <= number + 1) for number in range(clip[-1] + 1)]
    regions = tuple(
        _measure_region(track, region, int(begin[region]), spans, clip_frames / fps)
        for region in np.flatnonzero(first >= TOLD).tolist()
    )
    if not regions:
        return None
    both = (first[:2] >= TOLD).all()
    apart = measure_eyes_apart(track.likeness) if both else None
    return Identity(regions, apart, float(np.percentile(track.stay.min(1), _LEAVES)))


def _measure_region(
    track: FaceTrack,
    region: int,
    begin: int,
    spans: list[NDArray[np.bool_]],
    clip_seconds: float,
) -> RegionIdentity:
    likeness = track.likeness[:, region]
    nearest = [int(np.where(span, likeness, -1).argmax()) for span in spans]
    clips, first = likeness[nearest], float(likeness[begin])
    kept = clips / first
    lost = np.flatnonzero(kept < (BROW_KEPT if is_brow(REGIONS[region]) else KEPT))
    sharpness = float(track.sharpness[nearest[-1], region])
    return RegionIdentity(
        REGIONS[region],
        first,
        float(clips[-1]),
        float(kept.min()),
        int(kept.argmin()) * clip_seconds,
        float(lost[0]) * clip_seconds if len(lost) else None,
        float(np.abs(track.colour[nearest, region] - track.colour[begin, region]).max()),
        None if np.isnan(sharpness) else sharpness,
        tuple(float(value) for value in clips),
    )
