"""What a player makes of a run's video: whether a segment decodes, and whether the film is its segments and its sound, packet for packet."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from storage.errors import Damaged
from storage.film_file import FilmSpan
from storage.film_marks import find_missing_marks
from storage.media_file import open_disk_file, open_media
from storage.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    from av import Packet
    from av.container import InputContainer
    from numpy.typing import NDArray

Kind = Literal["video", "audio"]


def find_segment_flaw(path: Path, spec: Spec, clip: int) -> str | None:
    """What is wrong with a segment for a player, every frame decoded; None if it has the clip's frames, each in its place."""
    wanted = spec.frames_in(clip)
    count = 0
    try:
        with open_media(path, "mp4") as container:
            for frame in container.decode(video=0):
                if (frame.width, frame.height) != (spec.width, spec.height):
                    return f"shows {frame.width}*{frame.height} pixels"
                if frame.time is None or round(frame.time * spec.fps) != count:
                    return f"shows frame {count} at another time"
                count += 1
    except _decode_errors() as error:
        return f"does not play ({_describe_error(error)})"
    return None if count == wanted else f"plays {count} frames, not {wanted}"


def find_film_flaw(
    path: Path, segments: Iterable[Path | None], soundtrack: Path | None, span: FilmSpan
) -> str | None:
    """How a film differs from its segments and its sound; None if it is those. A segment that is None is not looked at.

    One pass over the packets, nothing is decoded, and one packet of each is in memory.
    """
    try:
        return _find_video_flaw(path, segments, span) or (
            _find_sound_flaw(path, soundtrack, span) if soundtrack else None
        )
    except _decode_errors() as error:
        return f"does not play ({_describe_error(error)})"


def find_missing(path: Path) -> str:
    """Which marks of a film that a model made are not in a file, in words; empty where all are."""
    with open_media(path, "mp4") as film:
        tags = dict(film.metadata)
    with open_disk_file(path) as file:
        return " and ".join(find_missing_marks(file, tags))


def decode_frames(path: Path, spec: Spec) -> Iterator["NDArray[np.uint8]"]:
    """The frames of a segment [y, x, rgb] as a player shows them, one at a time. Raises Damaged."""
    try:
        with open_media(path, "mp4") as container:
            for frame in container.decode(video=0):
                if (frame.width, frame.height) != (spec.width, spec.height):
                    raise Damaged(path, f"it shows {frame.width}*{frame.height} pixels")
                yield frame.to_ndarray(format="rgb24").astype("uint8", copy=False)
    except _decode_errors() as error:
        raise Damaged(path, f"it does not play ({_describe_error(error)})") from error


def measure_sound_seconds(path: Path) -> Fraction | None:
    """Seconds that a soundtrack plays, by its packets; None where it cannot be played."""
    try:
        with open_media(path, "mp4") as container:
            packets = _demux_packets(container, "audio")
            return max((_packet_end(packet) for packet in packets), default=Fraction(0))
    except _decode_errors():
        return None


def _find_video_flaw(path: Path, segments: Iterable[Path | None], span: FilmSpan) -> str | None:
    frames = 0
    with open_media(path, "mp4") as film:
        packets = _demux_packets(film, "video")
        for number, segment in enumerate(segments):
            for mine in _packets_of_segment(segment, span.frames_in(number)):
                packet = next(packets, None)
                if packet is None:
                    return f"ends after {frames} of {span.frames} frames"
                if _packet_start(packet) * span.fps != frames:
                    return f"shows frame {frames} at another time"
                if mine is not None and bytes(packet) != mine:
                    return f"is not made of its segments: frame {frames} is another"
                frames += 1
        return "has more frames than its segments" if next(packets, None) else None


def _packets_of_segment(segment: Path | None, frames: int) -> Iterator[bytes | None]:
    """The packets of a segment; `frames` times None where it is not to be looked at."""
    if segment is None:
        yield from [None] * frames
        return
    with open_media(segment, "mp4") as container:
        for packet in _demux_packets(container, "video"):
            yield bytes(packet)


def _find_sound_flaw(path: Path, soundtrack: Path, span: FilmSpan) -> str | None:
    """How the film's sound differs from that of the whole run, of which it may be the beginning; None if it does not."""
    with open_media(path, "mp4") as film, open_media(soundtrack, "mp4") as sound:
        heard, whole = _demux_packets(film, "audio"), _demux_packets(sound, "audio")
        end = Fraction(0)
        for mine, theirs in zip_longest(heard, whole):
            if mine is None:
                missing = _packet_end(theirs) - end if theirs else Fraction(0)
                # A film of fewer clips than the sound is long ends with its picture.
                ends = end * span.fps >= span.frames or missing * span.fps <= Fraction(1, 2)
                return None if ends else f"falls silent after {float(end):.2f} s"
            if (
                theirs is None
                or bytes(mine) != bytes(theirs)
                or _packet_start(mine) != _packet_start(theirs)
            ):
                return f"has another sound from {float(_packet_start(mine)):.2f} s on"
            end = _packet_end(mine)
    return None


def _demux_packets(container: "InputContainer", kind: Kind) -> Iterator["Packet[Any]"]:
    for packet in container.demux(getattr(container.streams, kind)[0]):
        if packet.dts is not None:  # what demux ends with
            yield packet


def _packet_start(packet: "Packet[Any]") -> Fraction:
    return Fraction(packet.pts or 0) * packet.time_base


def _packet_end(packet: "Packet[Any]") -> Fraction:
    return Fraction((packet.pts or 0) + (packet.duration or 0)) * packet.time_base


def _decode_errors() -> tuple[type[Exception], ...]:
    import av

    return av.FFmpegError, IndexError, ValueError, OSError


def _describe_error(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
