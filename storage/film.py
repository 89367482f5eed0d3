"""The film: segments and soundtrack joined by copying packets, never encoding anything again."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path


@dataclass(frozen=True)
class FilmSpan:
    """Which frames of the run's timeline a film shows, and its name. A whole film: first_frame 0, frames spec.frames.

    Sound that outlasts the span by less than half a frame is the rounding of a whole film's length and is kept; longer sound ends with the picture.
    """

    fps: int
    clip_frames: int
    frames: int
    """Frames of this film; its last segment may be shorter than clip_frames."""
    first_frame: int = 0
    """Of the whole timeline, a multiple of clip_frames; times in the film start from 0 all the same."""
    title: str = ""
    """The run's name."""


@dataclass(frozen=True)
class FilmFacts:
    """What a film file holds, read from its packets."""

    frames: int
    fps: Fraction
    width: int
    height: int
    keyframes: int
    audio_samples: int
    """Samples per channel that a player hears, at audio_rate; 0 without sound."""
    audio_rate: int
    tags: dict[str, str]

    @property
    def seconds(self) -> Fraction:
        """Length of the picture."""
        return self.frames / self.fps

    @property
    def audio_seconds(self) -> Fraction:
        """Length of the sound."""
        return Fraction(self.audio_samples, self.audio_rate or 1)


def mux_film(target: Path, segments: Iterable[Path], soundtrack: Path | None, span: FilmSpan) -> None:
    """Publish one mp4 of the segments in order with the span's own sound, tagged as AI-generated; raises BadSegment."""
    raise NotImplementedError


def inspect_film(path: Path) -> FilmFacts:
    """The facts of a film or a segment, from one pass over its packets (nothing is decoded)."""
    raise NotImplementedError
