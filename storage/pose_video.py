"""A pose video: a film of skeletons, of which every so many-th frame is taken, from its beginning. One frame is in memory at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from storage.errors import BadPoseVideo
from storage.media_file import open_media
from storage.picture import fit_pixels
from storage.spec import MOST_STRIDE

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

Byte = NDArray[np.uint8]
UNEVEN = 0.1
"""Frames of which some stay so much longer than others do not come at one pace."""


@dataclass(frozen=True)
class PoseVideo:
    """What a pose video is, and which of its frames a film takes."""

    width: int
    height: int
    rate: Fraction
    """Frames a second, on the average."""
    uneven: bool
    """Its frames do not come at one pace; they are counted, all the same."""
    stride: int
    """Every so many-th frame is taken."""
    frames: int
    """Those that are taken; no more than the film has."""
    longer: bool
    """It goes on where the film ends."""
    missing: float = 0.0
    """Seconds that it says it has beyond its last frame, where it ends before the film: it may be cut off."""


def probe_pose_video(path: Path, fps: int, film_frames: int) -> PoseVideo:
    """What a film of so many frames takes of a pose video, every frame of that decoded once. Raises BadPoseVideo, NotReadable.

    The stride is the published programs': round(rate / fps), and at least 1.
    """
    if not path.is_file():
        raise BadPoseVideo(path, "it is no file" if path.exists() else "there is no such file")
    with _open_video(path) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate
        if not rate:
            raise BadPoseVideo(path, "it does not say how many frames it has a second")
        stride = min(max(1, round(rate / fps)), MOST_STRIDE)
        wanted, seen = film_frames * stride, FrameCount()
        for frame in islice(container.decode(stream), wanted + 1):
            seen.count_frame(frame)
        stated = _stated_seconds(container, stream)
    if not seen.frames:
        raise BadPoseVideo(path, "it has no frames")
    taken = -(-min(seen.frames, wanted) // stride)
    longer = seen.frames > wanted
    missing = 0.0 if longer else max(0.0, stated - float(seen.frames / rate))
    return PoseVideo(*seen.size, rate, seen.uneven, stride, taken, longer, missing)


def _stated_seconds(container: "InputContainer", stream: "VideoStream") -> float:
    """How long a video says that it is; 0 where it says nothing."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1e6


class FrameCount:
    """Frames that pass by: how many, how large the first is, and whether they come at one pace."""

    def __init__(self) -> None:
        self.frames, self.size = 0, (0, 0)
        self._before: int | None = None
        self._steps: tuple[int, int] | None = None

    def count_frame(self, frame: "VideoFrame") -> None:
        """Count one in."""
        if not self.frames:
            self.size = frame.width, frame.height
        self.frames += 1
        if self._before is not None and frame.pts is not None:
            step = frame.pts - self._before
            least, most = self._steps or (step, step)
            self._steps = min(least, step), max(most, step)
        self._before = frame.pts

    @property
    def uneven(self) -> bool:
        """True if one step of time is longer than another, beyond the rounding of both."""
        least, most = self._steps or (0, 0)
        return most - least > max(2, UNEVEN * most)


class PoseReader:
    """Frames of a pose video, fitted to a film as its picture is: cheap in order, from the beginning again where somebody goes back."""

    def __init__(self, path: Path, stride: int, size: tuple[int, int], crop: str) -> None:
        """`size`: the film's width and height; `crop`: how the picture fits (storage/picture.py)."""
        self._path, self._stride, self._size, self._crop = path, stride, size, crop
        self._frames: Iterator[VideoFrame] | None = None
        self._next = 0
        self._alone = Lock()

    def read(self, first: int, count: int) -> Byte:
        """The film's frames from `first` on [frame, y, x, rgb]: `count`, or as many as there are. Raises BadPoseVideo, NotReadable."""
        with self._alone:
            frames = [self._fit(frame) for frame in self._take(first, count)]
        width, height = self._size
        return np.stack(frames) if frames else np.empty((0, height, width, 3), np.uint8)

    def close(self) -> None:
        """Let go of the file."""
        with self._alone:
            self._frames = None

    def _take(self, first: int, count: int) -> "Iterator[VideoFrame]":
        start = first * self._stride
        if self._frames is None or self._next > start:
            self._frames, self._next = _decode_frames(self._path), 0
        passed = islice(self._frames, start - self._next, None)
        self._next = start
        for _ in range(count):
            frame = next(passed, None)
            if frame is None:
                return
            yield frame
            between = sum(1 for _ in islice(passed, self._stride - 1))
            self._next += 1 + between

    def _fit(self, frame: "VideoFrame") -> Byte:
        pixels = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
        return fit_pixels(pixels, self._size, self._crop)


def _decode_frames(path: Path) -> "Iterator[VideoFrame]":
    with _open_video(path) as (container, stream):
        yield from container.decode(stream)


@contextmanager
def _open_video(path: Path) -> "Iterator[tuple[InputContainer, VideoStream]]":
    """A video's file and its first stream of pictures. Raises BadPoseVideo of whatever libav cannot read, NotReadable."""
    import av

    try:
        with open_media(path) as container:
            if not container.streams.video:
                raise BadPoseVideo(path, "it has no picture")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream
    except (av.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadPoseVideo(path, f"{reason}; give another, or save it again") from error
