"""Whether picture and sound of a live film stay together: python -m pipeline.bench.live_sync [--minutes 10] [--fps 25].

A film with a known answer: every second one white frame among black ones, and a click that begins with it. It goes through the product's own encoders,
fragments and playlist; then libav plays the playlist, as a player would, and each flash is held against its click.
"""

import argparse
import json
import sys
import tempfile
import wave
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage.fragment import ClipTimes, write_fragment
from storage.live_film import LiveClip, LiveFolder
from storage.live_sound import EncodedSound
from storage.segments import EncoderConfig, encode_segment
from storage.soundtrack import encode_soundtrack

SIDE, CLIP_FRAMES, RATE = 32, 48, 16_000
CLICK_SECONDS = 0.004
LOUD = 0.3
"""Of full scale: above what AAC writes before a click, below the click."""


@dataclass(frozen=True)
class SyncOffsets:
    """How far clicks come after their flashes, in milliseconds; negative: before."""

    flashes: int
    clicks: int
    first: float
    last: float
    worst: float
    frame: float
    """Milliseconds that a frame is shown."""


def write_clicks(path: Path, seconds: int, late: float = 0.0) -> None:
    """A wave file with a click so many seconds after the beginning of each second but the first."""
    samples = np.zeros(seconds * RATE, np.int16)
    tone = np.sin(np.arange(int(CLICK_SECONDS * RATE)) * 1.9) * 30_000
    for second in range(1, seconds):
        start = round((second + late) * RATE)
        samples[start : start + len(tone)] = tone
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def draw_flashes(times: ClipTimes) -> NDArray[np.uint8]:
    """The frames [frame, y, x, rgb] of a clip, white where a second begins."""
    numbers = np.arange(times.first_frame, times.first_frame + times.frames)
    white = (numbers % times.fps == 0) & (numbers > 0)
    frames = np.zeros((times.frames, SIDE, SIDE, 3), np.uint8)
    frames[white] = 255
    return frames


def make_live_film(folder: Path, seconds: int, fps: int, late: float = 0.0) -> Path:
    """Write the live film of the known signal, its clicks so many seconds late; its playlist."""
    write_clicks(folder / "clicks.wav", seconds, late)
    encode_soundtrack(folder / "clicks.wav", folder / "clicks.m4a")
    frames = seconds * fps
    starts = range(0, frames, CLIP_FRAMES)
    live = LiveFolder(folder, CLIP_FRAMES / fps, growing=True)
    live.restore((), len(starts))
    segment, clips = folder / "segment.mp4", []
    with closing(EncodedSound(folder / "clicks.m4a")) as sound:
        for clip, start in enumerate(starts):
            times = ClipTimes(clip, fps, start, min(CLIP_FRAMES, frames - start))
            shown = draw_flashes(times)
            digest = encode_segment(segment, shown, EncoderConfig(fps, 18, "veryfast"))
            heard = sound.read_clip(times, last=start == starts[-1])
            clips.append(LiveClip(times, digest))
            live.add_clip(clips[-1], write_fragment(segment, times, heard))
    live.finish(clips)
    return live.playlist


def measure_offsets(playlist: Path) -> SyncOffsets:
    """Play a live film of the known signal, and hold its flashes against its clicks."""
    flashes, clicks = list(_find_flashes(playlist)), list(_find_clicks(playlist))
    pairs = zip(flashes, clicks, strict=False)
    offsets = [1000 * (click - flash) for flash, click in pairs]
    return SyncOffsets(
        flashes=len(flashes),
        clicks=len(clicks),
        first=offsets[0],
        last=offsets[-1],
        worst=max(offsets, key=abs),
        frame=1000 / _read_fps(playlist),
    )


def _find_flashes(path: Path) -> Iterator[float]:
    """The times of white frames, in seconds."""
    import av

    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            if frame.to_ndarray(format="gray").mean() > 128:
                yield float(frame.time or 0)


def _find_clicks(path: Path) -> Iterator[float]:
    """The times at which clicks begin, in seconds."""
    import av

    last = -1.0
    with av.open(str(path)) as film:
        for frame in film.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > LOUD)
            if len(loud) and (time := float(frame.time or 0) + loud[0] / frame.rate) > last + 0.5:
                last = time
                yield time


def _read_fps(path: Path) -> float:
    import av

    with av.open(str(path)) as film:
        return float(film.streams.video[0].average_rate or 0)


def format_offsets(found: SyncOffsets) -> str:
    """The figures as lines for people."""
    lines = [
        f"{found.flashes} flashes, {found.clicks} clicks; a frame is {found.frame:.1f} ms",
        f"a click comes after its flash: first {found.first:+.2f} ms, last {found.last:+.2f} ms, worst {found.worst:+.2f} ms",
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure and print; 1 where an offset is more than a frame."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        playlist = make_live_film(Path(place), ceil(60 * words.minutes), words.fps)
        found = measure_offsets(playlist)
    print(json.dumps(asdict(found), indent=2) if words.json else format_offsets(found))
    together = found.flashes == found.clicks and abs(found.worst) <= found.frame
    return 0 if together else 1


if __name__ == "__main__":
    sys.exit(main())
