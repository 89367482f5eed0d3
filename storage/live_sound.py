"""The packets of the soundtrack, clip by clip, for a film that is watched while it is made: out of the soundtrack, or while that is still encoded.

An hour of sound takes half a minute to encode, so the first clips do not wait for all of it. The encoder runs ahead and its packets lie in a file
without a name, which no crash leaves behind.
"""

import os
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from storage.film_file import (
    demux_audio,
    frame_sample,
    last_sample,
    open_soundtrack,
)
from storage.fragment import AacPacket, ClipSound, ClipTimes
from storage.soundtrack import AAC_FRAME

LENGTH_BYTES = 4


class LiveSound(ABC):
    """The sound of a film, to be taken clip after clip."""

    @abstractmethod
    def is_ready(self, times: ClipTimes, *, last: bool) -> bool:
        """True if all packets of a clip are there."""

    @abstractmethod
    def read_clip(self, times: ClipTimes, *, last: bool) -> ClipSound:
        """The packets that begin within a clip; with the last clip those that outlast it by less than half a frame, too."""

    @abstractmethod
    def close(self) -> None:
        """Let go of its files."""


class EncodedSound(LiveSound):
    """Packets out of a soundtrack that is there."""

    def __init__(self, path: Path) -> None:
        """Raises Damaged where it cannot be read."""
        self._closing = ExitStack()
        self._container = open_soundtrack(self._closing, path)
        self._stream = self._container.streams.audio[0]
        self._packets: Iterator[AacPacket] = iter(())
        self._next: AacPacket | None = None

    def is_ready(self, times: ClipTimes, *, last: bool) -> bool:  # noqa: ARG002 - it is whole
        """True: it is whole."""
        return True

    def read_clip(self, times: ClipTimes, *, last: bool) -> ClipSound:
        """The packets of a clip. One clip after the other is read on; before any other there is a seek."""
        start, stop = _clip_samples(times, self._stream.duration or 0, last=last)
        if self._next is None or self._next.start - start not in range(AAC_FRAME):
            self._seek(start)
        packets = tuple(self._take_until(stop))
        return ClipSound(
            self._stream.codec_context.channels, _end_packets(packets, stop, last=last)
        )

    def close(self) -> None:
        """Close the file."""
        self._closing.close()

    def _seek(self, start: int) -> None:
        self._container.seek(start, stream=self._stream)
        packets = (
            AacPacket(packet.pts, packet.duration or 0, bytes(packet))
            for packet in demux_audio(self._container, self._stream)
            if packet.pts is not None
        )
        self._packets = (packet for packet in packets if packet.start >= start)
        self._next = next(self._packets, None)

    def _take_until(self, stop: int) -> Iterator[AacPacket]:
        while self._next is not None and self._next.start < stop:
            packet, self._next = self._next, next(self._packets, None)
            yield packet


class SpooledSound(LiveSound):
    """Packets on their way from the encoder, which runs in another thread and may be far ahead; each is read once, in order."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - close closes it
        self._lock = threading.Lock()
        self._channels = self._added = self._size = 0
        self._end: int | None = None
        self._taken = self._position = 0

    def add_packet(self, channels: int, data: bytes) -> None:
        """Add the encoder's next packet. The first is its priming, and stands before the film."""
        record = len(data).to_bytes(LENGTH_BYTES) + data
        os.pwrite(self._file.fileno(), record, self._size)
        with self._lock:
            self._channels, self._added = channels, self._added + 1
            self._size += len(record)

    @property
    def packets(self) -> int:
        """How many have been added."""
        return self._added

    def end_at(self, samples: int) -> None:
        """Say that all packets are there, and how many samples they are."""
        with self._lock:
            self._end = samples

    def is_ready(self, times: ClipTimes, *, last: bool) -> bool:
        """True if all packets of a clip are there; for the last clip the end of the sound must be known."""
        with self._lock:
            stop = frame_sample(times.first_frame + times.frames, times.fps)
            return self._end is not None or (not last and _packet_start(self._added) >= stop)

    def read_clip(self, times: ClipTimes, *, last: bool) -> ClipSound:
        """The packets of a clip, which is ready; what stands before it is passed over."""
        start, stop = _clip_samples(times, self._end or 0, last=last)
        packets = tuple(each for each in self._take_until(stop) if each.start >= start)
        return ClipSound(self._channels, _end_packets(packets, stop, last=last))

    def close(self) -> None:
        """Give the disk its room back."""
        self._file.close()

    def _take_until(self, stop: int) -> Iterator[AacPacket]:
        while self._taken < self._added and (start := _packet_start(self._taken)) < stop:
            size = int.from_bytes(os.pread(self._file.fileno(), LENGTH_BYTES, self._position))
            data = os.pread(self._file.fileno(), size, self._position + LENGTH_BYTES)
            self._taken, self._position = self._taken + 1, self._position + LENGTH_BYTES + size
            end = start + AAC_FRAME if self._end is None else self._end
            yield AacPacket(start, min(AAC_FRAME, end - start), data)


def _packet_start(number: int) -> int:
    """Samples of the film before a packet, by its number from the encoder."""
    return (number - 1) * AAC_FRAME


def _clip_samples(times: ClipTimes, sound_end: int, *, last: bool) -> tuple[int, int]:
    """The samples of a clip: the first, and the one after the last."""
    stop_frame = times.first_frame + times.frames
    stop = (
        last_sample(stop_frame, times.fps, sound_end)
        if last
        else frame_sample(stop_frame, times.fps)
    )
    return frame_sample(times.first_frame, times.fps), stop


def _end_packets(packets: tuple[AacPacket, ...], stop: int, *, last: bool) -> tuple[AacPacket, ...]:
    """The packets of a clip; the last one of the film is played no further than it goes."""
    if not (last and packets):
        return packets
    *before, end = packets
    return *before, replace(end, samples=min(end.samples, stop - end.start))
