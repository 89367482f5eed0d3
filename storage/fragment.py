"""One clip with its sound as a fragment of a fragmented mp4 (CMAF): what a live playlist names and a growing film is made of.

A fragment is a function of its segment, its packets of sound and its number: made again after a crash it has the same bytes, and no muxer's state
crosses clips. Its times are the film's own (`frag_discont`). Behind the header it stands by itself, and all of them in a row are one file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.film_file import SOUND_RATE, check_packets, open_segment, ticks_per_frame
from storage.film_marks import FilmMarks
from storage.media_file import MemoryFile
from storage.soundtrack import AAC_BIT_RATE, CHANNEL_LAYOUTS

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoStream
    from av.container import OutputContainer

HEADER_BOXES = (b"ftyp", b"moov")


@dataclass(frozen=True)
class AacPacket:
    """A packet of the soundtrack."""

    start: int
    """Samples of the film before it."""
    samples: int
    """That are played of it."""
    data: bytes


@dataclass(frozen=True)
class ClipSound:
    """The sound of one clip: the packets that begin within it."""

    channels: int
    packets: Sequence[AacPacket]


@dataclass(frozen=True)
class ClipTimes:
    """Where a clip stands in the film."""

    clip: int
    fps: int
    first_frame: int
    frames: int

    @property
    def seconds(self) -> Fraction:
        """How long it is shown."""
        return Fraction(self.frames, self.fps)


@dataclass(frozen=True)
class Fragment:
    """A clip in a fragmented mp4."""

    header: bytes
    """`ftyp` and `moov`; that of clip 0 stands before all fragments of a film."""
    media: bytes
    """`moof` and `mdat`."""


def write_fragment(
    segment: Path, times: ClipTimes, sound: ClipSound, marks: FilmMarks | None = None
) -> Fragment:
    """The fragment of a segment and its sound, packets copied; its header has the marks, but for XMP, which no header of a stream has. Raises BadSegment.

    There is no edit list, which players read in three ways: the encoder's priming packet is left out instead, so that each packet is played at its own
    time. The price is that the film's first 21 ms of sound fade in.
    """
    import av

    file = MemoryFile()
    with open_segment(segment) as (source, template), file.failures_raised():
        options = _muxer_options(times.clip)
        with av.open(file, "w", "mp4", options, io_open=file.reopen) as film:
            film.metadata.update(marks.tags if marks else {})
            picture = film.add_stream_from_template(template)
            heard = _add_aac(film, sound.channels)
            ticks = ticks_per_frame(segment, template, times.fps)
            packets = [
                _place_packet(packet, picture, (times.first_frame + number) * ticks)
                for number, packet in enumerate(
                    check_packets(segment, source.demux(template), times.frames, ticks)
                )
            ]
            packets += [_make_packet(each, heard) for each in sound.packets]
            film.mux(sorted(packets, key=_decoded_at))
    if marks is not None:
        marks.write_into(file, xmp=False)
    return _split_boxes(bytes(file.content))


def _muxer_options(clip: int) -> dict[str, str]:
    # Without negative_cts_offsets libav lets every fragment begin at 0, whatever frag_discont says.
    flags = (
        "empty_moov default_base_moof frag_discont negative_cts_offsets frag_keyframe skip_trailer"
    )
    return {
        "movflags": flags.replace(" ", "+"),
        "fragment_index": str(clip + 1),
        "use_editlist": "0",
        "fflags": "+bitexact",
        "flush_packets": "0",
    }


def _add_aac(film: "OutputContainer", channels: int) -> "AudioStream":
    """A stream for packets of the soundtrack's encoder. Added as an encoder of its own, which encodes nothing: its header is the same before the soundtrack is there to copy from."""
    stream = film.add_stream("aac", rate=SOUND_RATE, layout=CHANNEL_LAYOUTS[channels])
    stream.bit_rate = AAC_BIT_RATE * channels
    return stream


def _place_packet(packet: "Packet[Any]", stream: "VideoStream", start: int) -> "Packet[Any]":
    packet.pts = packet.dts = start
    packet.stream = stream
    return packet


def _make_packet(sound: AacPacket, stream: "AudioStream") -> "Packet[Any]":
    from av import Packet

    packet: Packet[Any] = Packet(sound.data)
    packet.time_base = Fraction(1, SOUND_RATE)
    packet.pts = packet.dts = sound.start
    packet.duration = sound.samples
    packet.is_keyframe = True
    packet.stream = stream
    return packet


def _decoded_at(packet: "Packet[Any]") -> Fraction:
    return (packet.dts or 0) * packet.time_base


def _split_boxes(content: bytes) -> Fragment:
    """The boxes of the header, and those behind it."""
    start, name = 0, content[4:8]
    while name in HEADER_BOXES:
        start += int.from_bytes(content[start : start + 4])
        name = content[start + 4 : start + 8]
    assert name == b"moof", f"a fragment follows the header, not {name!r}"
    return Fragment(content[:start], content[start:])
