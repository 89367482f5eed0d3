"""Any sound file as float32 samples, piece by piece, with the speaker that each channel belongs to."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import BadSound
from storage.joined_mp3 import inner_tags
from storage.media_file import open_media, reading_named
from storage.refusals import raise_if_unreadable
from storage.stated_length import (
    StatedLength,
    counted_frames,
    length_of_frames,
    stated_length,
    why_unfinished,
)

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import InputContainer

Samples = NDArray[np.float32]

# WAV files often name no speakers; these are what their number commonly means.
USUAL_SPEAKERS = {
    1: ("FC",),
    2: ("FL", "FR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
KINDS = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
LONGEST_PADDING = 4096
"""Samples that a container may cut from the end of the last frames: two frames of HE-AAC."""
ROUNDING = Fraction(1, 500)
"""Seconds by which an edit list may be off: the unit of most is a millisecond, of Apple's a 600th."""
TIMED = {"mov", "matroska", "mpegts", "mpeg", "asf", "flv", "avi"}
"""Formats in which a sound may start later than what is beside it; in the others what libav calls a start is their priming."""
HOLES = {"flac": Fraction(1, 100), "ogg": Fraction(1, 10)}
"""Formats whose demuxer passes over what is damaged, and whose packets' times are those of their samples: by how much they may differ."""
FROM_ZERO = {"mov", "matroska"}
"""Formats whose players wait where a sound that is alone starts late."""
TIME_OF_DAY = 60
"""Seconds; one that is alone and starts later counts from somewhere else."""
LEAST_LATE = Fraction(1, 20)
"""Seconds; a frame of film, and priming that some containers count as a start."""
CONVERT_IT = "convert it (ffmpeg -i IN OUT.wav), or give another"


@dataclass(frozen=True)
class AudioBlock:
    """Some consecutive samples [channel, sample], full scale ±1."""

    samples: Samples
    rate: int
    speakers: tuple[str, ...]


@dataclass
class DecodeFacts:
    """What is learnt of a sound beside its samples while it is decoded: its stated length, its padding."""

    stated: StatedLength = field(default_factory=StatedLength)
    """What its header says of its length."""
    start: Fraction = Fraction(0)
    """Seconds by which it starts later than its container."""
    ends_in_junk: bool = False
    """What follows the last sample is no sound, and no tag."""
    padded: bool = False
    """The last frames may hold more than is stated."""
    counts: bool = False
    """An MP3: frames that count those after them may come in its middle, where files were joined."""
    hole: Fraction | None = None
    """Seconds by which its packets may end later than its samples; more is a hole that no decoder noticed. None: their times are not that true."""
    _last: tuple[int, int] = (0, 0)
    """Where the last packet begins, and its length, in units."""
    _unit: Fraction = Fraction(0)
    _begin: int = 0

    @property
    def seconds(self) -> Fraction:
        """The length that the file states, in seconds; 0 where it states none."""
        return self.stated.seconds

    def note_packet(self, packet: "Packet[AudioStream]") -> None:
        """Remember where a decoded packet ends."""
        if packet.pts is not None:  # a fraction for each would cost more than its decoding
            self._last = (packet.pts, packet.duration or 0)

    @property
    def last_packet(self) -> Fraction:
        """Where the last packet ends, in seconds from the first sample."""
        return (sum(self._last) - self._begin) * self._unit

    def count(self, frame: bytes, stream: "AudioStream") -> bool:
        """Take note of a frame that holds no sound but counts those of a file that was joined to the one before; False for a frame with sound."""
        if frames := counted_frames(frame):
            self.stated = self.stated.followed_by(length_of_frames(frames, stream.rate))
        return frames > 0

    def padding_start(self, rate: int) -> int:
        """The first sample of the padding at the end: by the last packet, if the edit list only rounds it (to milliseconds, in most files)."""
        rounded = abs(self.last_packet - self.seconds) <= ROUNDING
        return max(round((self.last_packet if rounded else self.seconds) * rate), 1)


def decode_sound(path: Path, facts: DecodeFacts | None = None) -> Iterator[AudioBlock]:
    """All of the file's samples in order, at least one; `facts` has the rest, in whole after the last block. Raises BadSound."""
    import av

    facts = facts or DecodeFacts()
    _refuse_path(path)
    try:
        with _open_sound(path) as container:
            stream = container.streams.best("audio")
            if not isinstance(stream, av.AudioStream):
                raise BadSound(
                    path, "it holds no sound; give a WAV, FLAC, MP3 or M4A, or a video with sound"
                )
            _read_facts(path, container, stream, facts)
            blocks = _require_one_format(path, _decode_blocks(path, container, stream, facts))
            yield from _trim_padding(blocks, facts)
    except av.FFmpegError as error:
        with reading_named(path):
            reason = why_unfinished(path)
        reason = reason or f"it is no sound file, or a damaged one ({error.strerror}); {CONVERT_IT}"
        raise BadSound(path, reason) from error


@contextmanager
def _open_sound(path: Path) -> Iterator["InputContainer"]:
    with ExitStack() as stack:
        container = stack.enter_context(open_media(path))
        with reading_named(path):
            gaps = inner_tags(path) if container.format.name == "mp3" else []
        if gaps:
            stack.pop_all().close()
            container = stack.enter_context(open_media(path, gaps=gaps))
        yield container


def _read_facts(
    path: Path, container: "InputContainer", stream: "AudioStream", facts: DecodeFacts
) -> None:
    name = container.format.name.split(",")[0]
    with reading_named(path):
        facts.stated = stated_length(path, container, stream)
    facts.padded = name == "mov" and facts.seconds > 0
    facts.counts = name == "mp3"
    facts.hole = HOLES.get(name)
    facts._unit, facts._begin = Fraction(stream.time_base or 0), max(stream.start_time or 0, 0)
    facts.start = _late_start(container, stream) if name in TIMED else Fraction(0)


def _late_start(container: "InputContainer", stream: "AudioStream") -> Fraction:
    """Seconds by which the sound starts later than the film that it is of; alone in its file, than that file's time 0."""
    from av.stream import Disposition

    starts = [
        (each.start_time or 0) * Fraction(each.time_base)
        for each in (*container.streams.video, *container.streams.audio)
        if each.time_base and not each.disposition & Disposition.attached_pic
    ]
    own = (stream.start_time or 0) * Fraction(stream.time_base or 1)
    late = own - min(starts)
    if len(starts) == 1 and container.format.name.split(",")[0] in FROM_ZERO and own <= TIME_OF_DAY:
        late = own
    return late if late >= LEAST_LATE else Fraction(0)


def _refuse_path(path: Path) -> None:
    if path.is_dir():
        raise BadSound(path, "it is a folder; name the sound file in it")
    if not path.is_file():
        raise BadSound(path, "there is no such file; check the path")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise_if_unreadable(path, error)
        raise BadSound(
            path, f"it cannot be read ({error.strerror}); check its permissions"
        ) from error
    if empty:
        raise BadSound(path, "it is empty; give another")


def _decode_blocks(
    path: Path, container: "InputContainer", stream: "AudioStream", facts: DecodeFacts
) -> Iterator[AudioBlock]:
    """The blocks that decode. Junk before and after the sound is common and harmless; a hole in it would shift what follows, and raises BadSound."""
    import av

    holes, samples, rate = 0, 0, 1
    for packet in _demux_packets(container, stream, facts):
        if facts.counts and facts.count(bytes(packet)[:60], stream):
            continue
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            holes += samples > 0
            continue
        facts.note_packet(packet)
        for frame in frames:
            if holes and packet.size:  # else the decoder gives what it held
                raise BadSound(
                    path, f"it is damaged after {samples / rate:.1f} seconds; {CONVERT_IT}"
                )
            samples, rate = samples + frame.samples, frame.sample_rate
            yield _to_block(frame)
    facts.ends_in_junk |= bool(holes)
    found = Fraction(samples, rate)
    if facts.hole is not None and facts.last_packet - found > facts.hole:
        lengths = f"{float(found):.1f} of {float(facts.last_packet):.1f} seconds"
        raise BadSound(path, f"{lengths} can be read, so it is damaged; {CONVERT_IT}")


def _demux_packets(
    container: "InputContainer", stream: "AudioStream", facts: DecodeFacts
) -> Iterator["Packet[AudioStream]"]:
    """All packets that can be read. A file that says how long it is may break off: what is missing is then known by its length."""
    import av

    try:
        yield from container.demux(stream)
    except av.InvalidDataError:
        if not facts.seconds:
            raise
        facts.ends_in_junk = True


def _to_block(frame: "AudioFrame") -> AudioBlock:
    names = tuple(channel.name for channel in frame.layout.channels)
    plain = len(set(names)) == len(names) and "NONE" not in names
    speakers = names if plain else USUAL_SPEAKERS.get(len(names), names)
    return AudioBlock(to_samples(frame), frame.sample_rate, speakers)


def to_samples(frame: "AudioFrame") -> Samples:
    """A decoded frame of any sample format as float32 [channel, sample], full scale ±1."""
    kind = np.dtype(KINDS[frame.format.name.removesuffix("p")])
    channels = frame.layout.nb_channels
    planes: tuple[Any, ...] = frame.planes
    if frame.format.is_planar:
        # Not by to_ndarray: PyAV takes what lies after the eighth pointer for a ninth channel, and the process dies of it.
        each = [np.frombuffer(plane, kind, frame.samples) for plane in planes[:channels]]
        values = np.stack(each)
    else:
        values = np.frombuffer(planes[0], kind, frame.samples * channels).reshape(-1, channels).T
    if kind.kind != "f":
        full = 2.0 ** (8 * kind.itemsize - 1)
        values = (values.astype(np.float64) - (full if kind.kind == "u" else 0)) / full
    return np.ascontiguousarray(values, np.float32)


def _require_one_format(path: Path, blocks: Iterator[AudioBlock]) -> Iterator[AudioBlock]:
    """Hand blocks of sound on, at least one; raises BadSound where their rate or layout changes."""
    first, samples = None, 0
    for block in blocks:
        first = first or block
        if (block.rate, block.speakers) != (first.rate, first.speakers):
            raise BadSound(
                path,
                f"its rate or its channels change after {samples / first.rate:.1f} seconds; {CONVERT_IT}",
            )
        samples += block.samples.shape[1]
        yield block
    if not samples:
        raise BadSound(path, "it holds not one sample; give another")


def _trim_padding(blocks: Iterator[AudioBlock], facts: DecodeFacts) -> Iterator[AudioBlock]:
    """Blocks of sound without the padding of the last frames.

    libav cuts that of MP3, Opus and Vorbis itself, but not that of AAC in MP4. What lies beyond the edit list's end is held back until it is known to
    be no more than padding: a fragmented file may state only its first fragment.
    """
    if not facts.padded:
        yield from blocks
        return
    held: list[AudioBlock] = []
    released = rate = 0
    for block in blocks:
        rate = block.rate
        held.append(block)
        begin = (facts.seconds - ROUNDING) * rate
        if not 0 < released + _count_samples(held) - begin <= LONGEST_PADDING:
            released += _count_samples(held)
            yield from held
            held.clear()
    for block in held:
        kept = replace(
            block, samples=block.samples[:, : max(facts.padding_start(rate) - released, 0)]
        )
        released += _count_samples([kept])
        yield kept


def _count_samples(blocks: list[AudioBlock]) -> int:
    return sum(block.samples.shape[1] for block in blocks)
