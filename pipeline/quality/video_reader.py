"""A film's file, read three times from end to end: its sound, its mouth, and then every frame. One frame is in memory at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.pocket.face_boxes import FaceBoxes
from model.pocket.face_finder import find_faces
from pipeline.quality.audio_metrics import SoundLevels, SoundMeter
from pipeline.quality.frame_metrics import Byte
from pipeline.quality.frame_tracks import FrameMeter, FrameTracks, FrameViews
from pipeline.quality.identity import EVERY, FaceMeter
from pipeline.quality.mouth import SIDE, Mouth, MouthFinder
from pipeline.quality.speaker_lips import (
    SpeakerMeter,
    find_speaker_mouths,
    measure_speaker_loudness,
)
from storage.errors import BadFilm, NotMade
from storage.media_file import open_media
from storage.pcm import to_samples
from storage.picture import treat_picture
from tasks.face_search import map_to_film

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from numpy.typing import NDArray

    from storage.run import Run
    from storage.spec import Spec

CLIP_FRAMES = 48
"""Of a film whose clips nobody knows."""
_LONG = {"grey": 256, "cells": SIDE, "rgb": 32}
_LESSON = 3000
"""Frames with sound in which the mouth is looked for: two minutes."""


@dataclass(frozen=True)
class FilmFile:
    """A film's file, and what is known of how it was made."""

    path: Path
    name: str
    clip_frames: int = CLIP_FRAMES
    joints: bool = False
    picture: Byte | None = None
    """The reference picture [y, x, rgb], in the film's size."""
    boxes: "NDArray[np.float32] | None" = None
    """Mouth, left and right eye [3, 4] (x, y, width, height) in the picture."""
    run: "Run | None" = None
    whole: tuple[int, int] = (0, 0)
    """Width and height of the picture's file."""


@dataclass(frozen=True)
class StreamFacts:
    """What a film's file says of its picture: size, frame rate, sound."""

    fps: float
    start: float
    """Second of the first frame."""
    sounds: bool


def measure_film(
    film: FilmFile, watch: Callable[[str, int], None] = lambda *_: None
) -> FrameTracks:
    """Read a film and measure every frame; `watch` hears what is being done and how many frames of it. Raises BadFilm."""
    stream = read_stream_facts(film.path)
    sound = measure_sound(film.path, stream) if stream.sounds else None
    mouth = None
    if sound is not None and not has_several_speakers(film):
        mouth = find_mouth(film.path, sound, lambda n: watch("mouth", n))
    reference = None if film.picture is None else view_picture(film.picture)
    meter = FrameMeter(stream.fps, mouth, reference)
    scaler = FrameScaler()
    face, lips = start_face_meter(film), start_speaker_meter(film)
    for number, frame in enumerate(read_frames(film.path)):
        views = scaler.scale_frame(frame)
        meter.add_frame(views)
        if lips is not None:
            lips.add_frame(views.full)
        if face is not None and number % EVERY == 0:
            face.add_frame(frame_pixels(frame, "rgb24"))
        watch("frames", number)
    tracks = meter.finish(sound, film.clip_frames, fps=stream.fps, joints=film.joints)
    if tracks.frames < 2:
        one = "it is one picture, and a film is needed"
        raise BadFilm(film.path, one if tracks.frames else "it has no frames")
    if lips is not None and film.run is not None:
        tracks = replace(tracks, speakers=lips.finish(measure_speaker_loudness(film.run)))
    return tracks if face is None else replace(tracks, face=face.finish())


def has_several_speakers(film: FilmFile) -> bool:
    """Whether several speak in it: then no mouth follows all of its sound, and lips are not measured."""
    return film.run is not None and bool(film.run.spec.speakers)


def start_speaker_meter(film: FilmFile) -> SpeakerMeter | None:
    """What measures the mouths of several speakers; None where one speaks, where nobody knows where the mouths are, or of a piece that does not begin with the film."""
    if film.picture is None or film.run is None or not begins_with_the_film(film):
        return None
    if not (mouths := find_speaker_mouths(film.run, film.whole)):
        return None
    return SpeakerMeter(mouths, frame_pixels(encode_picture(film.picture), "gray"))


def begins_with_the_film(film: FilmFile) -> bool:
    """Whether the file of a run shows its film from its first frame on."""
    return film.path.stem in {"video", "partial"}


def start_face_meter(film: FilmFile) -> FaceMeter | None:
    """What measures the face of a film; None where its picture or the places of mouth and eyes are not known, or the film is of another size."""
    if film.picture is None or film.boxes is None:
        return None
    first = next(read_frames(film.path), None)
    if first is None or (first.height, first.width) != film.picture.shape[:2]:
        return None
    # As the film's frames are: in studio range, by the same matrix, with colours of half the size.
    return FaceMeter(frame_pixels(encode_picture(film.picture), "rgb24"), film.boxes)


def find_film(path: Path) -> FilmFile:
    """The film of a run's folder, or a film's file; of one that lies in a run's folder it is known how it was made. Raises NotMade, NotARun, BadFilm."""
    from storage.remote.address import name_run
    from tasks.open_run import open_run

    if path.is_file() and not (path.parent / "run.json").exists():
        return FilmFile(path, path.name)
    run = open_run(path.parent if path.is_file() else path)
    spec, file = run.spec, path if path.is_file() else run.video_path
    if file == run.video_path and not run.records.complete("video"):
        raise NotMade(f"The film of {name_run(run.root)}")
    picture, done = treat_picture(
        run.image_path, width=spec.width, height=spec.height, crop=spec.crop
    )
    boxes = find_boxes(spec, picture, (done.width, done.height))
    name = run.root.name if file == run.video_path else f"{run.root.name}/{file.name}"
    size = done.width, done.height
    return FilmFile(file, name, spec.clip_frames, True, picture, boxes, run, size)


def find_boxes(spec: "Spec", picture: Byte, whole: tuple[int, int]) -> "NDArray[np.float32] | None":
    """Where a run has mouth and eyes in its picture, as fitted to the film and as large as `whole` (width, height) before, of several speakers the first one's; of pocket's runs from before that was kept, where they are found. None where nobody knows."""
    told = [spec.face_boxes, *(each.face_boxes for each in spec.speakers)]
    if boxes := next(filter(None, told), ""):
        return map_to_film(FaceBoxes.from_text(boxes), whole, spec).to_array()
    faces = find_faces(picture) if spec.model == "pocket" else []
    return faces[0].boxes.to_array() if faces else None


def read_source_sound(film: FilmFile) -> SoundLevels | None:
    """The levels of the sound that the film was made of, where the film begins with it; None otherwise."""
    run = film.run
    if run is None or not begins_with_the_film(film) or not run.audio_path.exists():
        return None
    # Of what was dubbed there is one file only, which is the film's own.
    source = run.soundtrack_path if run.spec.dubs else run.audio_path
    return measure_sound(source, StreamFacts(run.spec.fps, 0.0, sounds=True))


def read_stream_facts(path: Path) -> StreamFacts:
    """What a film's file says of its picture. Raises BadFilm."""
    with open_video(path) as container:
        if not container.streams.video:
            raise BadFilm(path, "it has no picture")
        video = container.streams.video[0]
        return StreamFacts(
            fps=float(video.average_rate or video.guessed_rate or 25),
            start=float((video.start_time or 0) * (video.time_base or 0)),
            sounds=bool(container.streams.audio),
        )


def count_frames(path: Path) -> int | None:
    """The number of frames that a film's file states; None where it states none."""
    with open_video(path) as container:
        return container.streams.video[0].frames or None


def measure_sound(path: Path, stream: StreamFacts) -> SoundLevels | None:
    """The levels of the film's sound; None where it has none after all."""
    with open_video(path) as container:
        rate = container.streams.audio[0].rate
        meter, frames = SoundMeter(rate, stream.fps), 0
        for frame in container.decode(audio=0):
            samples = to_samples(frame)
            second = (frame.time or 0.0) - stream.start
            first = round(second * rate)
            meter.add_samples(samples, first)
            frames = max(frames, int((first + samples.shape[1]) / rate * stream.fps))
    return meter.finish(frames) if frames else None


def find_mouth(path: Path, sound: SoundLevels, watch: Callable[[int], None]) -> Mouth | None:
    """The place of the mouth, by the first two minutes in which there is something to hear; None where none is found."""
    finder, scaler, heard = MouthFinder(sound.loudness), FrameScaler(), 0
    audible = sound.loudness > float(np.percentile(sound.loudness, 95)) / 100
    for number, frame in enumerate(read_frames(path)):
        finder.add_frame(scaler.scale_grey(frame, "cells").astype(np.float32) / 255)
        heard += bool(number < len(audible) and audible[number])
        watch(number)
        if heard > _LESSON:
            break
    return finder.finish()


def view_picture(picture: Byte) -> FrameViews:
    """A picture [y, x, rgb] in the sizes in which frames of the film are looked at."""
    return FrameScaler().scale_frame(encode_picture(picture))


def encode_picture(picture: Byte) -> "VideoFrame":
    """A picture [y, x, rgb] as the film's frames are: in studio range, by the same matrix."""
    from av import VideoFrame

    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=1)


def read_frames(path: Path) -> "Iterator[VideoFrame]":
    """The film's frames, in their order. Raises BadFilm."""
    with open_video(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        yield from container.decode(video=0)


@contextmanager
def open_video(path: Path) -> "Iterator[InputContainer]":
    """A film's file, open for reading. Raises BadFilm."""
    import av

    try:
        with open_media(path) as container:
            yield container
    except (av.FFmpegError, OSError) as error:
        raise BadFilm(path, getattr(error, "strerror", None) or error) from error


def frame_pixels(frame: "VideoFrame", kind: str) -> Byte:
    """A frame's pixels as bytes: gray [y, x], rgb24 or bgr24 [y, x, channel]."""
    return np.asarray(frame.to_ndarray(format=kind), np.uint8)


class FrameScaler:
    """Scales frames down; keeps what libav prepares for each size."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._scalers = {name: VideoReformatter() for name in _LONG}

    def scale_frame(self, frame: "VideoFrame") -> FrameViews:
        """A frame in the sizes in which it is looked at."""
        full = frame_pixels(frame, "gray")
        grey = full if max(full.shape) <= _LONG["grey"] else self.scale_grey(frame, "grey")
        return FrameViews(
            full, grey, self.scale_grey(frame, "cells"), self._scaled(frame, "rgb", "rgb24")
        )

    def scale_grey(self, frame: "VideoFrame", name: str) -> Byte:
        """A frame's brightness alone [y, x], in the size of this name."""
        return self._scaled(frame, name, "gray")

    def _scaled(self, frame: "VideoFrame", name: str, kind: str) -> Byte:
        from av.video.reformatter import Interpolation

        scale = min(1.0, _LONG[name] / max(frame.width, frame.height))
        width, height = (max(2, round(edge * scale)) for edge in (frame.width, frame.height))
        small = self._scalers[name].reformat(
            frame, width, height, kind, interpolation=Interpolation.AREA, threads=1
        )
        return frame_pixels(small, kind)
