"""The film: segments and soundtrack joined by copying packets, never encoding anything again.

All times are integers in units that divide a frame: there is nothing to round, so nothing drifts over ten thousand clips.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from itertools import chain
from math import floor, lcm
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.errors import BadSegment, Damaged
from storage.film_marks import FilmMarks, describe_source
from storage.media_file import open_media
from storage.mp4 import FASTSTART, create_mp4
from storage.run_marks import product_of, title_of

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoStream
    from av.container import InputContainer, OutputContainer

    from storage.run import Run

CodecParameters = tuple[bytes, int, int, Fraction | None]

SOUND_RATE = 48_000


@dataclass(frozen=True)
class FilmSpan:
    """Which frames of the run's timeline a film shows, and its name. A whole film: first_frame 0, frames spec.frames.

    Sound that outlasts the span by less than half a frame is the rounding of a whole film's length and is kept; longer sound ends with the picture.
    """

    fps: int
    clip_frames: int
    frames: int
    """Frames of this film; its last segment may be shorter than clip_frames."""
    first_frame: int = 0
    """Of the whole timeline, a multiple of clip_frames; times in the film start from 0 all the same."""
    title: str = ""
    """The film's."""
    product: str = ""
    """SHA-256 of the film's spec, hex; empty of runs that are older than titles: their films have no other marks than they had."""

    producer: str = ""
    """Who answers for it; empty: longtake."""

    @property
    def marks(self) -> FilmMarks | None:
        """What the film's file says of itself beside the tags that every player knows."""
        return FilmMarks(self.title, self.product, self.producer) if self.product else None

    def frames_in(self, segment: int) -> int:
        """Frames of the film in a segment, by its number in the span, counted from 0."""
        return min(self.clip_frames, self.frames - segment * self.clip_frames)


def film_span(run: "Run", frames: int, first_frame: int = 0) -> FilmSpan:
    """So many frames of a run's film, with the run's own names."""
    spec = run.spec
    names = title_of(run), product_of(run), run.settings.producer
    return FilmSpan(spec.fps, spec.clip_frames, frames, first_frame, *names)


def mux_film(
    target: Path, segments: Iterable[Path], soundtrack: Path | None, span: FilmSpan
) -> None:
    """Publish one mp4 of the segments in order with the span's own sound, tagged as AI-generated; raises BadSegment."""
    units, marks = lcm(SOUND_RATE, span.fps), span.marks
    with create_mp4(target, units=units, marks=marks, **FASTSTART) as mp4, ExitStack() as stack:
        film = mp4.container
        film.metadata.update(marks.tags if marks else describe_source(span.title))
        streams = [_add_video(film, iter(segments), span)]
        if soundtrack is not None:
            streams.append(_add_audio(film, open_soundtrack(stack, soundtrack), span))
        mp4.mux(merge(*streams, key=_shown_at))
        mp4.expect(film.streams.video[0], Fraction(span.frames, span.fps))


def _shown_at(packet: "Packet[Any]") -> float:
    """The time at which a packet is shown, in seconds; only for the order in the file."""
    return (packet.pts or 0) * packet.time_base.numerator / packet.time_base.denominator


def _add_video(
    film: "OutputContainer", segments: Iterator[Path], span: FilmSpan
) -> Iterator["Packet[Any]"]:
    """Add the film's video stream; its packets, segment after segment."""
    first = next(segments)
    with open_segment(first) as (_, template):
        stream = film.add_stream_from_template(template)
        codec = _read_codec(template)
    return _segment_packets(chain([first], segments), stream, codec, span)


def _segment_packets(
    segments: Iterable[Path], stream: "VideoStream", codec: CodecParameters, span: FilmSpan
) -> Iterator["Packet[Any]"]:
    frames = 0
    for number, path in enumerate(segments):
        with open_segment(path) as (container, source):
            if _read_codec(source) != codec:
                raise BadSegment(path, "it was encoded with other settings than the first one")
            ticks = ticks_per_frame(path, source, span.fps)
            for packet in check_packets(
                path, container.demux(source), span.frames_in(number), ticks
            ):
                packet.pts = packet.dts = frames * ticks
                packet.stream = stream
                frames += 1
                yield packet
    assert frames == span.frames, "as many segments as the span has clips"


@contextmanager
def open_segment(path: Path) -> Iterator[tuple["InputContainer", "VideoStream"]]:
    """A segment to read, and its picture. Raises BadSegment where it cannot be read."""
    import av

    try:
        with open_media(path, "mp4") as container:
            if not container.streams.video:
                raise BadSegment(path, "it holds no picture")
            yield container, container.streams.video[0]
    except (av.FFmpegError, OSError) as error:
        raise BadSegment(path, error.strerror) from error


def _read_codec(stream: "VideoStream") -> CodecParameters:
    """The codec parameters of a segment, which all must share: one set of them describes the film."""
    return (
        bytes(stream.codec_context.extradata or b""),
        stream.width,
        stream.height,
        stream.time_base,
    )


def ticks_per_frame(path: Path, stream: "VideoStream", fps: int) -> int:
    """The length of a frame in the units of the stream."""
    ticks = Fraction(1, fps) / (stream.time_base or 1)
    if ticks.denominator != 1:
        raise BadSegment(path, f"its times are no whole frames at {fps} a second")
    return int(ticks)


def check_packets(
    path: Path, packets: Iterable["Packet[Any]"], wanted: int, ticks: int
) -> Iterator["Packet[Any]"]:
    """Hand a segment's packets on; raises BadSegment where one is missing or late, or the first cannot stand alone."""
    count = 0
    for packet in packets:
        if packet.dts is None:  # what demux ends with
            continue
        if (packet.pts, packet.dts, packet.duration) != (count * ticks, count * ticks, ticks):
            raise BadSegment(path, f"frame {count} is not where it belongs")
        if packet.is_keyframe != (count == 0):
            raise BadSegment(path, f"frame {count} is not of the one group that it should be")
        count += 1
        yield packet
    if count != wanted:
        raise BadSegment(path, f"it holds {count} frames, not {wanted}")


def open_soundtrack(stack: ExitStack, path: Path) -> "InputContainer":
    """A soundtrack to read until the stack is left. Raises Damaged where it cannot be read."""
    import av

    try:
        container = stack.enter_context(open_media(path, "mp4"))
    except (av.FFmpegError, OSError) as error:
        raise Damaged(path, error.strerror) from error
    if not container.streams.audio or container.streams.audio[0].duration is None:
        raise Damaged(path, "it holds no sound")
    return container


def _add_audio(
    film: "OutputContainer", source: "InputContainer", span: FilmSpan
) -> Iterator["Packet[Any]"]:
    """Add the film's audio stream; its packets, those that begin within the span.

    Each packet so belongs to one part of a film and to one only: joined by any tool that copies, the parts have the sound of the whole, bit for bit.
    The price: played alone, a part that is not the first fades in over its first packet (21 ms), as the one before is missing.
    """
    template = source.streams.audio[0]
    stream = film.add_stream_from_template(template)
    start = frame_sample(span.first_frame, span.fps)
    stop = last_sample(span.first_frame + span.frames, span.fps, template.duration or 0)
    return _sound_packets(source, stream, start, stop)


def frame_sample(frame: int, fps: int) -> int:
    """The sample of the sound that stands before a frame of the whole timeline, at SOUND_RATE."""
    return floor(Fraction(frame * SOUND_RATE, fps))


def last_sample(stop_frame: int, fps: int, sound_end: int) -> int:
    """Where the sound of a film ends that shows the frames before `stop_frame`: sound that outlasts them by less than half a frame is kept."""
    stop = frame_sample(stop_frame, fps)
    return sound_end if sound_end - stop < Fraction(SOUND_RATE, 2 * fps) else stop


def _sound_packets(
    source: "InputContainer", stream: "AudioStream", start: int, stop: int
) -> Iterator["Packet[Any]"]:
    template = source.streams.audio[0]
    if start:
        source.seek(start, stream=template)
    for packet in demux_audio(source, template):
        if packet.pts is None or packet.dts is None or (start and packet.pts < start):
            continue
        if packet.pts >= stop:
            return
        packet.duration = min(packet.duration or 0, stop - packet.pts)
        packet.pts -= start
        packet.dts -= start
        packet.stream = stream
        yield packet


def demux_audio(source: "InputContainer", stream: "AudioStream") -> Iterator["Packet[Any]"]:
    """The packets of a soundtrack, from where it stands. Raises Damaged."""
    import av

    try:
        yield from source.demux(stream)
    except av.FFmpegError as error:
        raise Damaged(source.name, error.strerror) from error
