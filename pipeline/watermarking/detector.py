"""Ids hidden in a film, frame by frame as it is read: what two seconds say, and what all of it says."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from einops import rearrange

from pipeline.quality.video_reader import read_frames, read_stream_facts
from storage.errors import BadFilm
from storage.watermark import GRID, PLANES, read_signs
from storage.watermark_code import UNSURE, bound_chance, decode_signs, measure_ratio
from storage.watermark_id import spell_id

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter
    from numpy.typing import NDArray

    Float = NDArray[np.float64]

_FEWEST, _MOST = 8, 120
"""Frames that are taken for a second, whatever rate the file states."""
MOST_STRETCHES = 1000
"""Of one film: no more are kept, so that no file takes all memory."""


@dataclass
class Stretch:
    """A part of the film that holds one id."""

    id: str
    first: float
    until: float
    """Seconds."""
    chance: float
    """The most that it is likely by chance, of its surest two seconds."""
    whole: bool = False
    """Found only in all frames of the film together."""
    mirrored: bool = False
    """Found when right and left are exchanged."""

    @property
    def text(self) -> str:
        """The letters of the id, if it has any."""
        return spell_id(self.id)


@dataclass(frozen=True)
class FilmIds:
    """What a film's file holds."""

    film: Path
    seconds: float
    frames: int
    found: tuple[Stretch, ...]
    """In the order of the film; empty where no id is in it."""


@dataclass
class Planes:
    """The colour planes of some frames, summed up."""

    start: float
    """Second of the first."""
    frames: int
    sum: "Float"
    """[plane, y, x] on the grid, in levels."""

    @classmethod
    def from_nothing(cls, start: float) -> "Planes":
        """No frames yet."""
        return cls(start, 0, np.zeros((PLANES, GRID, GRID)))

    def add(self, planes: "Float", frames: int = 1) -> None:
        """Take the planes of a frame, or of some that are summed up."""
        self.sum += planes
        self.frames += frames

    @property
    def signs(self) -> "Float":
        """Soft values of their mean [SIGNS]."""
        return read_signs(self.sum / self.frames)


def find_ids(path: Path, watch: Callable[[int], None] = lambda _: None) -> FilmIds:
    """The ids hidden in a film or a picture of one; `watch` hears how many frames were read. Reads one frame at a time. Raises BadFilm."""
    fps = min(max(read_stream_facts(path).fps, _FEWEST), _MOST)
    found: list[Stretch] = []
    whole, before, end = Planes.from_nothing(0.0), None, 0.0
    for second in _read_seconds(path, fps, watch):
        end = second.start + second.frames / fps
        pair = _join_planes(before, second)
        _note_ids(found, pair, end)
        whole.add(second.sum, second.frames)
        before = second
    if not whole.frames:
        raise BadFilm(path, "it has no frames")
    if not found:
        found = list(_find_in_whole(whole, end))
    return FilmIds(path, end, whole.frames, tuple(found))


def _read_seconds(path: Path, fps: float, watch: Callable[[int], None]) -> "Iterator[Planes]":
    from av.video.reformatter import VideoReformatter

    scaler, second = VideoReformatter(), Planes.from_nothing(0.0)
    for number, frame in enumerate(read_frames(path)):
        if second.frames == round(fps):
            yield second
            second = Planes.from_nothing(number / fps)
        second.add(_read_planes(frame, scaler))
        watch(number + 1)
    if second.frames:
        yield second


def _read_planes(frame: "VideoFrame", scaler: "VideoReformatter") -> "Float":
    """A frame's two colour planes [plane, y, x] on the grid, in levels."""
    from av.video.reformatter import Interpolation

    side = 2 * GRID
    shrinks = min(frame.width, frame.height) >= side
    way = Interpolation.AREA if shrinks else Interpolation.BICUBIC
    small = scaler.reformat(frame, side, side, "yuv420p", interpolation=way, threads=1)
    # Behind the light the two planes, two of their rows in one of the array.
    colours = small.to_ndarray()[side:].astype(np.float64)
    return rearrange(colours, "(plane y) (odd x) -> plane (y odd) x", plane=PLANES, odd=2)


def _join_planes(one: Planes | None, other: Planes) -> Planes:
    if one is None:
        return other
    return Planes(one.start, one.frames + other.frames, one.sum + other.sum)


def _note_ids(found: list[Stretch], pair: Planes, end: float) -> None:
    """Add what two seconds hold, to the last stretch where that goes on."""
    signs = pair.signs
    if found and found[-1].until > pair.start:
        # The same id again needs no search, and so no more than chance would do for it alone.
        chance = bound_chance(measure_ratio(signs, found[-1].id), 0)
        if chance <= UNSURE:
            found[-1].until, found[-1].chance = end, min(found[-1].chance, chance)
            return
    reading = decode_signs(signs)
    if reading and reading.is_sure and len(found) < MOST_STRETCHES:
        found.append(Stretch(reading.id, pair.start, end, reading.chance))


def _find_in_whole(whole: Planes, end: float) -> Iterator[Stretch]:
    """What all frames together hold, as they are or mirrored."""
    for mirrored in (False, True):
        planes = whole.sum[..., ::-1] if mirrored else whole.sum
        reading = decode_signs(read_signs(planes / whole.frames))
        if reading and reading.is_sure:
            yield Stretch(reading.id, 0.0, end, reading.chance, whole=True, mirrored=mirrored)
            return
