"""Sound and film for the tests of media: clicks in any container, frames that carry their number, and what a decoder makes of both."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage.segments import EncoderConfig, encode_segment

Samples = NDArray[np.float32]


def clicks(rate: int, seconds: float, channels: int = 1) -> Samples:
    """[channel, sample]: one sample of 0.9 every half second, from the first quarter on."""
    samples = np.zeros((channels, round(rate * seconds)), np.float32)
    samples[:, click_places(rate, samples.shape[1])] = 0.9
    return samples


def click_places(rate: int, samples: int) -> NDArray[np.int64]:
    """Where `clicks` has them; none so near the end that a resampler's ringing is cut."""
    return np.arange(rate // 4, samples - rate // 20, rate // 2)


def click_errors(heard: Samples, rate: int, given: int, given_rate: int) -> NDArray[np.float64]:
    """How many samples off each click of a track of `given` samples is, when heard at `rate`."""
    expected = click_places(given_rate, given) * rate / given_rate
    half = rate // 10
    starts = [max(int(place) - half, 0) for place in expected]
    found = [start + np.abs(heard[start : start + 2 * half]).argmax() for start in starts]
    return np.array(found) - expected


def write_sound(
    path: Path,
    samples: Samples,
    rate: int,
    codec: str,
    *,
    layout: str = "",
    sample_format: str = "",
) -> Path:
    """Encode samples [channel, sample] into whatever container the suffix names."""
    import av

    layout = layout or {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            codec, rate=rate, layout=layout, options={"strict": "experimental"}
        )
        if sample_format:
            stream.format = sample_format
        name = stream.format.name
        for start in range(0, samples.shape[1], 4000):
            frame = av.AudioFrame.from_ndarray(
                _values(samples[:, start : start + 4000], name), name, layout
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _values(samples: Samples, name: str) -> NDArray[np.generic]:
    kind, scale = {"s16": (np.int16, 2**15), "s32": (np.int32, 2**31), "u8": (np.uint8, 2**7)}.get(
        name.removesuffix("p"), (np.float32, 1)
    )
    values = np.round(samples.astype(np.float64) * (scale - 1)) if scale > 1 else samples
    values = (values + (128 if kind is np.uint8 else 0)).astype(kind)
    return (
        np.ascontiguousarray(values)
        if name.endswith("p")
        else np.ascontiguousarray(values.T).reshape(1, -1)
    )


def hear(path: Path) -> tuple[Samples, Fraction]:
    """All samples [channel, sample] that a decoder makes of a file, and the time of the first."""
    import av

    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    start = (frames[0].pts or 0) * frames[0].time_base
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1), start


def numbered(first: int, count: int, side: int = 64) -> NDArray[np.uint8]:
    """[frame, y, x, rgb] whose frames carry their numbers as twelve bars."""
    frames = np.full((count, side, side, 3), 60, np.uint8)
    for frame in range(count):
        for bit in range(12):
            if (first + frame) >> bit & 1:
                frames[frame, 8:56, 5 * bit + 2 : 5 * bit + 7] = 220
    return frames


def write_segments(folder: Path, frames: int, clip_frames: int, fps: int) -> list[Path]:
    """A numbered film's segments."""
    paths = []
    for first in range(0, frames, clip_frames):
        paths.append(folder / f"{first // clip_frames:05d}.mp4")
        encode_segment(
            paths[-1],
            numbered(first, min(clip_frames, frames - first)),
            EncoderConfig(fps, 18, "veryfast"),
        )
    return paths


def see(path: Path) -> tuple[list[int], list[Fraction]]:
    """The numbers that the frames of a film carry, and their times."""
    import av

    with av.open(str(path)) as container:
        frames = [
            (frame.to_ndarray(format="gray"), (frame.pts or 0) * frame.time_base)
            for frame in container.decode(video=0)
        ]
    numbers = [
        sum(int(grey[32, 5 * bit + 4] > 128) << bit for bit in range(12)) for grey, _ in frames
    ]
    return numbers, [time for _, time in frames]
