"""A new mp4 file: written by libav, read back, and only then published."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from errno import EIO
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from storage.disk import DISK_FULL_ERRORS
from storage.errors import NotWritable
from storage.film_marks import FilmMarks
from storage.media_file import DiskFile, MediaFile
from storage.mp4_boxes import walk_boxes
from storage.publish import publish

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream

FASTSTART = {"movflags": "+faststart"}
"""The index before the packets, so that a film plays while it is loaded."""
BUFFER = 1 << 16
"""Bytes that are written at a time."""


@dataclass
class Track:
    """What one stream of an mp4 was given, or gives back when it is read: how many packets, a checksum of them, where they end."""

    packets: int = 0
    checksum: int = 0
    """Of all bytes and times, in order."""
    end: int = field(default=0, compare=False)
    """Of the last packet, in units of the stream; how long a packet lasts is not known before it is read back."""

    def add(self, packet: "Packet[Any]") -> None:
        """Count a packet."""
        start = packet.pts or 0
        self.packets += 1
        self.checksum = crc32(b"%d %d" % (start, packet.dts or 0), crc32(packet, self.checksum))
        self.end = start + (packet.duration or 0)


class Mp4Writer:
    """An mp4 file that is being written, and what it was given so far."""

    def __init__(self, container: "OutputContainer", file: MediaFile) -> None:
        self.container = container
        """To add streams to."""
        self.tracks: dict[int, Track] = {}
        self.lengths: dict[int, Fraction] = {}
        self._file = file

    def expect(self, stream: "Stream", seconds: Fraction) -> None:
        """Say how long a stream must be when it is read back."""
        self.lengths[stream.index] = seconds

    def mux(self, packets: "Iterable[Packet[Any]]") -> None:
        """Write packets; raises OSError once the disk has failed."""
        for packet in packets:
            self.container.mux(packet)
            self._file.raise_failure()
            self.tracks.setdefault(packet.stream.index, Track()).add(packet)


@contextmanager
def create_mp4(
    target: Path, *, units: int, marks: FilmMarks | None = None, **options: str
) -> Iterator[Mp4Writer]:
    """An mp4 to write into, that becomes `target`, durably. Its edit lists count in `units` a second. Raises NoSpace, NotWritable.

    By default they count in milliseconds, and every length would be rounded to them.
    """
    options["movie_timescale"] = str(units)
    with (
        publish(target) as draft,
        _writing_named(target),
        _open_mp4(draft) as file,
        write_mp4(file, marks, **options) as writer,
    ):
        yield writer


@contextmanager
def write_mp4(
    file: MediaFile, marks: FilmMarks | None = None, **options: str
) -> Iterator[Mp4Writer]:
    """An mp4 to write into a file, which is marked, if it is given marks, and read back at the end. Raises OSError where the file failed, or holds anything else than was written."""
    import av

    # Else libav hands over every packet by itself.
    chosen = {**options, "flush_packets": "0"}
    with (
        file.failures_raised(),
        av.open(file, "w", "mp4", chosen, buffer_size=BUFFER, io_open=file.reopen) as container,
    ):
        writer = Mp4Writer(container, file)
        yield writer
    order = [b"ftyp", b"moov", b"mdat"] if "movflags" in options else [b"ftyp", b"mdat", b"moov"]
    if marks is not None:
        order.append(b"uuid")
        with file.failures_raised():
            marks.write_into(file.reopen())
    if (flaw := _find_flaw(file.reopen(), writer, order)) is not None:
        raise OSError(EIO, f"what was written reads back otherwise: {flaw}")


def _find_flaw(file: MediaFile, writer: Mp4Writer, order: list[bytes]) -> str | None:
    """How the file read back differs from what was written, or was to be; None if it does not."""
    import av

    with file.failures_raised():
        try:
            names = [box.name for box in walk_boxes(file)]
            if (found := [name for name in names if name != b"free"]) != order:
                return f"its boxes are {b' '.join(found).decode(errors='replace')}"
            with av.open(file.reopen(), "r", format="mp4") as container:
                read = _read_tracks(container)
                units = [stream.time_base or Fraction(0) for stream in container.streams]
        except (av.FFmpegError, ValueError) as error:
            return str(error)
    if read != writer.tracks:
        return "its packets are others"
    for stream, seconds in writer.lengths.items():
        if (lasts := read[stream].end * units[stream]) != seconds:
            return f"stream {stream} lasts {float(lasts):.3f} s, not {float(seconds):.3f} s"
    return None


def _read_tracks(container: "InputContainer") -> dict[int, Track]:
    tracks: dict[int, Track] = {}
    for packet in container.demux():
        if packet.dts is not None:  # what demux ends with
            tracks.setdefault(packet.stream.index, Track()).add(packet)
    return tracks


@contextmanager
def _open_mp4(draft: Path) -> Iterator[DiskFile]:
    descriptor = os.open(draft, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield DiskFile(draft, descriptor)
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise
    os.close(descriptor)  # a disk behind a network may say only now that it is full


@contextmanager
def _writing_named(target: Path) -> Iterator[None]:
    """Name the file in a failure to write. What is read meanwhile speaks for itself; publish knows a full disk."""
    import av

    try:
        yield
    except (av.FFmpegError, OSError) as error:
        if error.errno in DISK_FULL_ERRORS:
            raise
        raise NotWritable(target, error.strerror) from error
