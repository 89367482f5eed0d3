"""What is done to a good film so that it is known what must be found: frames and samples in, frames and samples out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.quality.lag_correlation import Float

Byte = NDArray[np.uint8]
Frames = Iterator[Byte]
"""Each [y, x, rgb]."""


def keep_frames(frames: Frames) -> Frames:
    """Frames [y, x, rgb], one after the other, unchanged."""
    return frames


def keep_sound(samples: Float, rate: int) -> Float:  # noqa: ARG001 - every degradation of a sound is given its rate
    """Samples [channel, sample], unchanged."""
    return samples


@dataclass(frozen=True)
class Degradation:
    """A change to a film's frames and one to its sound, made so that it is known what must be found."""

    picture: Callable[[Frames], Frames] = keep_frames
    sound: Callable[[Float, int], Float] = keep_sound


def delay_sound(seconds: float, start: float = 0.0) -> Degradation:
    """Sound that comes `seconds` later (earlier, below 0), from `start` on."""

    def move(samples: Float, rate: int) -> Float:
        first, by = round(start * rate), round(seconds * rate)
        moved = np.roll(samples[:, first:], by, axis=1)
        # What rolled around the end is no sound of the film.
        if by > 0:
            moved[:, :by] = 0
        elif by < 0:
            moved[:, by:] = 0
        return np.concatenate([samples[:, :first], moved], axis=1)

    return Degradation(sound=move)


def mute_sound(start: float, seconds: float) -> Degradation:
    """No sound for `seconds`, from `start` on."""

    def hush(samples: Float, rate: int) -> Float:
        samples = samples.copy()
        samples[:, round(start * rate) : round((start + seconds) * rate)] = 0
        return samples

    return Degradation(sound=hush)


def overdrive_sound(start: float, seconds: float, gain: float = 4.0) -> Degradation:
    """Sound that is `gain` times as loud for `seconds`, and cut off at full scale."""

    def drive(samples: Float, rate: int) -> Float:
        span = slice(round(start * rate), round((start + seconds) * rate))
        samples = samples.copy()
        samples[:, span] = np.clip(gain * samples[:, span], -1, 1)
        return samples

    return Degradation(sound=drive)


def cut_sound(seconds: float) -> Degradation:
    """Sound that ends `seconds` before the picture."""
    return Degradation(sound=lambda samples, rate: samples[:, : -round(seconds * rate)])


def repeat_clip(clip: int, of: int, clip_frames: int) -> Degradation:
    """Clip `of` shown again in the place of a later one."""

    def repeat(frames: Frames) -> Frames:
        kept: list[Byte] = []
        for number, frame in enumerate(frames):
            if number // clip_frames == of:
                kept.append(frame)
            yield kept[number % clip_frames] if number // clip_frames == clip else frame

    return Degradation(repeat)


def freeze_frame(first: int, count: int) -> Degradation:
    """One frame shown in place of `count` frames."""

    def hold(frames: Frames) -> Frames:
        shown: Byte | None = None
        for number, frame in enumerate(frames):
            if number == first:
                shown = frame
            yield shown if shown is not None and number < first + count else frame

    return Degradation(hold)


def splice_frames(first: int, count: int, source: int) -> Degradation:
    """Frames from `source` on shown again in place of those from `first` on."""

    def splice(frames: Frames) -> Frames:
        kept: list[Byte] = []
        for number, frame in enumerate(frames):
            if source <= number < source + count:
                kept.append(frame)
            yield kept[number - first] if first <= number < first + count else frame

    return Degradation(splice)


def mirror_from(first: int) -> Degradation:
    """Frames turned left to right, from `first` on."""
    return Degradation(
        lambda frames: (
            frame[:, ::-1] if number >= first else frame for number, frame in enumerate(frames)
        )
    )


def shift_picture(first: int, pixels: int) -> Degradation:
    """Frames moved aside by `pixels`, from `first` on."""
    return Degradation(
        lambda frames: (
            np.roll(frame, pixels, 1) if number >= first else frame
            for number, frame in enumerate(frames)
        )
    )


def tint_gradually(most: float, total: int) -> Degradation:
    """Frames that grow redder: by `most` of 255 at the end."""
    red = np.array([1.0, 0, 0])
    return Degradation(
        lambda frames: (
            _to_bytes(frame + red * (most * number / total)) for number, frame in enumerate(frames)
        )
    )


def brighten_every_other(amount: float, clip_frames: int) -> Degradation:
    """Every other clip brighter by `amount` of 255."""
    return Degradation(
        lambda frames: (
            _to_bytes(frame + amount * (number // clip_frames % 2.0))
            for number, frame in enumerate(frames)
        )
    )


def blur_gradually(most: float, total: int) -> Degradation:
    """Frames that grow softer: a Gaussian of `most` pixels at the end."""

    def blur(frames: Frames) -> Frames:
        for number, frame in enumerate(frames):
            yield soften_frame(frame, most * number / total)

    return Degradation(blur)


def soften_frame(frame: Byte, radius: float) -> Byte:
    """One frame [y, x, rgb] through a Gaussian."""
    from PIL import Image, ImageFilter

    return np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(radius)))


def _to_bytes(values: Float) -> Byte:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
