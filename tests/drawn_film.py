"""A talking head of a few strokes whose mouth, sway and words are known: what a film's measures are held against."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.quality.audio_metrics import SoundLevels, SoundMeter
from pipeline.quality.frame_tracks import FrameMeter, FrameTracks, FrameViews
from pipeline.quality.mouth import MouthFinder

FPS, RATE, SIDE, CLIP = 25, 16_000, 96, 24
MOUTH = (36, 62, 60, 76)
"""Left, top, right, bottom of all that the open mouth ever covers, in pixels of SIDE."""
PAUSES = ((6.0, 1.0), (11.0, 5.0))
SECONDS = 20.0

Frames = NDArray[np.uint8]
Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Drawn:
    """A film as arrays."""

    frames: Frames
    """[frame, y, x, rgb]"""
    samples: Samples
    """[channel, sample]"""
    picture: Frames
    """The reference: mouth shut [y, x, rgb]."""


def draw_film(seed: int = 0, seconds: float = SECONDS) -> Drawn:
    """Syllables of random length and loudness, two pauses, a head that sways and never stands still."""
    dice = np.random.default_rng(seed)
    count = round(seconds * FPS)
    loud = _syllables(dice, count)
    times = np.arange(count) / FPS
    sway = 1.6 * np.sin(2 * np.pi * times / 3.1) + 1.1 * np.sin(2 * np.pi * times / 1.1)
    frames = np.stack([draw(opening, aside) for opening, aside in zip(loud, sway, strict=True)])
    # A voice fades from frame to frame and does not break off.
    fine = (np.arange(count * RATE // FPS) + 0.5) / (RATE // FPS) - 0.5
    envelope = np.interp(fine, np.arange(count), loud)
    noise = dice.normal(0, 0.15, len(envelope))
    samples = np.clip(envelope * noise, -0.95, 0.95).astype(np.float32)[None]
    return Drawn(frames, samples, draw(0.0, 0.0))


def draw(opening: float, aside: float) -> Frames:
    """One frame: a head `aside` of the middle, its mouth open from 0 to 1."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    image = _background().copy()
    _fill(image, (x - 48 - aside) ** 2 / 28**2 + (y - 50) ** 2 / 36**2, (222, 180, 150))
    for eye in (38, 58):
        _fill(image, ((x - eye - aside) ** 2 + (y - 42) ** 2) / 16, (40, 30, 30))
    tall = 0.6 + 5.5 * opening
    _fill(image, (x - 48 - aside) ** 2 / 81 + (y - 69) ** 2 / tall**2, (50, 10, 15))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


@cache
def _background() -> NDArray[np.float32]:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    red = 120 + 30 * np.sin(x / 9) + 20 * np.cos(y / 7)
    return np.stack([red, red * 0.8 + 20, red * 0.6 + 60], -1)


def _fill(
    image: NDArray[np.float32], distance: NDArray[np.float32], colour: tuple[int, ...]
) -> None:
    edge = 1.15
    rows, columns = (np.flatnonzero((distance < edge).any(axis)) for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inside = np.clip((edge - distance[part]) / 0.3, 0, 1)[..., None]
    image[part] = image[part] * (1 - inside) + np.array(colour, np.float32) * inside


def _syllables(dice: np.random.Generator, count: int) -> NDArray[np.float64]:
    loud = np.zeros(count)
    place = 2
    while place < count - 2:
        length = int(dice.integers(3, 7))
        span = np.arange(place, min(place + length, count))
        loud[span] = dice.uniform(0.4, 1) * np.sin(np.pi * (span - place + 0.5) / length)
        place += length + int(dice.integers(0, 3))
    for second, seconds in (pause for pause in PAUSES if sum(pause) * FPS < count):
        start, stop = round(second * FPS), round((second + seconds) * FPS)
        loud[start:stop] = 0
        loud[start - 3 : start] *= (0.6, 0.25, 0.08)
        loud[stop : stop + 3] *= (0.08, 0.25, 0.6)
    return loud


def listen(film: Drawn, block: int = 1024) -> SoundLevels:
    """Its sound as numbers, heard in blocks."""
    ear = SoundMeter(RATE, FPS)
    for start in range(0, film.samples.shape[1], block):
        ear.add_samples(film.samples[:, start : start + block], start)
    return ear.finish(len(film.frames))


def watch(film: Drawn, *, picture: bool = True) -> FrameTracks:
    """The film's tracks, without a file between."""
    sound = listen(film)
    finder = MouthFinder(sound.loudness)
    for frame in film.frames:
        finder.add_frame(grey(frame).astype(np.float32) / 255)
    eye = FrameMeter(FPS, finder.finish(), views(film.picture) if picture else None)
    for frame in film.frames:
        eye.add_frame(views(frame))
    return eye.finish(sound, CLIP, fps=FPS, joints=True)


def views(frame: Frames) -> FrameViews:
    """A frame in its sizes."""
    bright = grey(frame)
    small = frame.reshape(SIDE // 3, 3, SIDE // 3, 3, 3).mean((1, 3))
    return FrameViews(bright, bright, bright, np.rint(small).astype(np.uint8))


def grey(frame: Frames) -> NDArray[np.uint8]:
    """Its brightness."""
    return np.rint(frame @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def shifted(film: Drawn, frames: int) -> Drawn:
    """Its sound so many frames later."""
    return replace(film, samples=np.roll(film.samples, frames * (RATE // FPS), axis=1))


def write_film(film: Drawn, path: Path) -> Path:
    """The film as a file."""
    import av

    with av.open(str(path), "w") as out:
        options = {"crf": "14", "preset": "veryfast", "g": str(CLIP), "bf": "0"}
        video = out.add_stream("libx264", rate=FPS, options=options)
        video.height, video.width = film.frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.color_range = video.colorspace = 1  # studio range, BT.709: as every film of ours
        sound = out.add_stream("aac", rate=RATE, layout="mono")
        for frame in film.frames:
            made = av.VideoFrame.from_ndarray(frame, format="rgb24")
            made = made.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=1)
            out.mux(video.encode(made))
        out.mux(video.encode(None))
        for start in range(0, film.samples.shape[1], 1024):
            piece = np.ascontiguousarray(film.samples[:, start : start + 1024])
            heard = av.AudioFrame.from_ndarray(piece, "fltp", "mono")
            heard.sample_rate, heard.pts, heard.time_base = RATE, start, Fraction(1, RATE)
            out.mux(sound.encode(heard))
        out.mux(sound.encode(None))
    return path
