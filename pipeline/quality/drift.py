"""Whether the film stays what it was: colour, sharpness, and likeness to the reference picture, clip by clip."""

from dataclasses import dataclass

import numpy as np

from pipeline.quality.frame_tracks import FrameTracks

_NEAREST = 90
"""Percent: a clip is as like the picture as its best moments are; in the others a head turns and eyes are shut."""


@dataclass(frozen=True)
class ClipAppearance:
    """How one clip looks: colour, sharpness, likeness to the picture."""

    clip: int
    colour: float
    """How far its mean colour is from the picture's, in the worst channel, of 255."""
    sharpness: float
    """Against that of the first clip."""
    likeness: float
    """Correlation with the picture, without mouth and jaw; 1 is the same."""


@dataclass(frozen=True)
class Drift:
    """How far the looks of a film's clips move from its picture or its beginning."""

    reference: str
    """What it is held against: the picture, or the film's first frame."""
    clips: tuple[ClipAppearance, ...]

    @property
    def colour(self) -> float:
        """The largest colour distance of any clip, of 255."""
        return max(each.colour for each in self.clips)

    @property
    def sharpness(self) -> float:
        """The sharpness, as a ratio to the first clip's, of the clip that is furthest from it."""
        return max((each.sharpness for each in self.clips), key=lambda ratio: abs(np.log(ratio)))

    @property
    def likeness(self) -> float:
        """The smallest likeness of any clip."""
        return min(each.likeness for each in self.clips)


def measure_drift(tracks: FrameTracks) -> Drift:
    """The looks of each clip against the reference picture; sharpness against the first clip's: no film is as sharp as its picture."""
    given = tracks.picture_colour is not None
    reference = tracks.picture_colour if given else tracks.colour[tracks.span(0)].mean(0)
    first = max(float(np.median(tracks.sharpness[tracks.span(0)])), 1e-3)
    clips = []
    for clip in range(tracks.clips):
        span = tracks.span(clip)
        shift = np.abs(tracks.colour[span].mean(0) - reference).max()
        ratio = max(float(np.median(tracks.sharpness[span])), 1e-3) / first
        like = float(np.percentile(tracks.likeness[span], _NEAREST))
        clips.append(ClipAppearance(clip, float(shift), ratio, like))
    return Drift("the picture" if given else "its own beginning", tuple(clips))
