"""What a film file holds, by another reading than the product's."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from storage.media_file import open_media

if TYPE_CHECKING:
    from av.container import InputContainer


@dataclass(frozen=True)
class FilmFacts:
    """What a film file holds, read from its packets."""

    frames: int
    fps: Fraction
    width: int
    height: int
    keyframes: int
    audio_start: int
    """Samples of silence before the sound: up to a packet in a part whose clips are no whole number of packets."""
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


def inspect_film(path: Path) -> FilmFacts:
    """The facts of a film or a segment, from one pass over its packets (nothing is decoded)."""
    with open_media(path) as container:
        return _read_facts(container)


def _read_facts(container: "InputContainer") -> FilmFacts:
    video = container.streams.video[0]
    audio = next(iter(container.streams.audio), None)
    frames = keyframes = end = 0
    begin: int | None = None
    for packet in container.demux(*filter(None, (video, audio))):
        if packet.dts is None or packet.pts is None:
            continue
        if packet.stream.index == video.index:
            frames += 1
            keyframes += packet.is_keyframe
        else:
            begin = max(packet.pts, 0) if begin is None else begin
            end = packet.pts + (packet.duration or 0)
    start, rate = begin or 0, audio.rate if audio else 0
    return FilmFacts(
        frames,
        video.average_rate or Fraction(0),
        video.width,
        video.height,
        keyframes,
        start,
        end - start,
        rate,
        dict(container.metadata),
    )
