"""How long a sound file says that it is, by its own header and before anything is decoded: what was cut off holds less than it says."""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer

NOTHING = Fraction(0)
EXACT = {
    **dict.fromkeys(("aiff", "au", "tta", "wv", "ape"), Fraction(1, 100)),
    "flac": Fraction(0),
    "mov": Fraction(1, 10),
}
"""Formats whose header has the length, as libav reads it, and by how much it may be off; the others estimate it."""
ROUNDED = Fraction(1, 10)
PRIMING = 3000
"""Samples at most by which a count of MP3 frames is more than the sound: both ends' padding."""
UNKNOWN = ((0, 0), (0x7F000000, 0x7F100000), (0x7FFF0000, 0x80000100), (0xFFFF0000, 1 << 32))
"""Sizes (from, to) that writers to a pipe put where they do not know it yet."""
TAIL = 1 << 17
"""Bytes that hold the last page of an Ogg file whole."""


@dataclass(frozen=True)
class StatedLength:
    """What a header says of a sound's length."""

    seconds: Fraction = NOTHING
    """0: nothing."""
    slack: Fraction = NOTHING
    """By how much less there may be all the same."""
    share: Fraction = Fraction(1)
    """How much of the bytes that it speaks of are there."""
    torn: bool = False
    """The file ends in the middle of something."""

    def length(self, found: Fraction) -> Fraction:
        """The seconds that the sound should have where `found` were read; `found`, where it is no less or nobody knows."""
        whole = max(self.seconds, found / self.share if self.share else found)
        return whole if whole - found > self.slack else found

    def followed_by(self, other: "StatedLength") -> "StatedLength":
        """The length of two sounds joined to one file, the other's after this one; where this one states nothing, the two state nothing."""
        if not self.seconds:
            return self
        return StatedLength(self.seconds + other.seconds, self.slack + other.slack)

    def is_cut(self, found: Fraction) -> bool:
        """True if something is missing for certain."""
        return self.length(found) > found or (self.torn and not self.seconds)


def stated_length(path: Path, container: "InputContainer", stream: "AudioStream") -> StatedLength:
    """The length that the file's own header states; reads a little of it."""
    name = container.format.name.split(",")[0]
    if name in EXACT:
        return _from_stream(stream, EXACT[name])
    if (reader := READERS.get(name)) is None:
        return StatedLength()
    with path.open("rb") as file:
        return reader(file, path.stat().st_size, stream)


def _from_stream(stream: "AudioStream", slack: Fraction) -> StatedLength:
    if not stream.duration or not stream.time_base:
        return StatedLength()
    seconds = stream.duration * stream.time_base
    raw = stream.codec_context.name.startswith("pcm")
    size = seconds * (stream.codec_context.bit_rate or 0) / 8
    return StatedLength() if raw and size >= UNKNOWN[1][0] - TAIL else StatedLength(seconds, slack)


def _from_share(size: int, there: int) -> StatedLength:
    """The stated length of a header that speaks of `size` bytes of samples where `there` bytes lie in the file."""
    if size <= there or any(low <= size <= high for low, high in UNKNOWN):
        return StatedLength()
    return StatedLength(slack=Fraction(1, 100), share=Fraction(max(there, 0), size))


def _read_wave(file: BinaryIO, end: int, _stream: "AudioStream") -> StatedLength:
    """The stated length of RIFF, RF64, BW64 (little endian) and RIFX."""
    form, order, long = file.read(12)[:4], "<", None
    if form == b"RIFX":
        order = ">"
    while len(head := file.read(8)) == 8:
        name, (size,) = head[:4], struct.unpack(f"{order}I", head[4:])
        if name == b"data":
            if long is not None and size == 0xFFFFFFFF:
                size = long
            return _from_share(size, end - file.tell())
        if name == b"ds64":
            place = file.tell()
            long = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))[1]
            file.seek(place)
        file.seek(size + size % 2, 1)
    return StatedLength()


def _read_wave64(file: BinaryIO, end: int, _stream: "AudioStream") -> StatedLength:
    """The stated length of Sony's Wave64: names of 16 bytes, sizes of 8 that count the head too."""
    file.seek(40)
    while len(head := file.read(24)) == 24:
        size = int(struct.unpack("<Q", head[16:])[0])
        if head[:4] == b"data":
            return _from_share(max(size - 24, 0), end - file.tell())
        if size < 24:
            break
        file.seek(-(-size // 8) * 8 - 24, 1)
    return StatedLength()


def _read_ogg(file: BinaryIO, end: int, _stream: "AudioStream") -> StatedLength:
    """The stated length of Ogg, which has none, but its last page says how long that page is."""
    file.seek(max(end - TAIL, 0))
    tail = file.read()
    page = tail[max(tail.rfind(b"OggS"), 0) :]
    whole = len(page) >= 27 and len(page) >= 27 + page[26]
    return StatedLength(torn=not whole or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]))


def _read_asf(file: BinaryIO, end: int, _stream: "AudioStream") -> StatedLength:
    """The stated length of Windows Media: the object of the file's properties has its size."""
    head = file.read(1 << 16)
    place = head.find(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    if not 0 <= place < len(head) - 48:
        return StatedLength()
    return _from_share(struct.unpack("<Q", head[place + 40 : place + 48])[0], end)


def _read_caf(_file: BinaryIO, _end: int, stream: "AudioStream") -> StatedLength:
    """The stated length of Apple's CAF: it counts packets; libav's length is that of what is there."""
    return StatedLength(stream.frames * (stream.time_base or NOTHING), Fraction(1, 100))


def _read_avi(file: BinaryIO, end: int, stream: "AudioStream") -> StatedLength:
    """The stated length of AVI: its parts have sizes. The packets it counts are also those that stand for a late start, so they are asked only where it is cut."""
    place = 0
    while place < end and (head := file.read(8))[:4] == b"RIFF":
        place += 8 + int.from_bytes(head[4:], "little")
        file.seek(place)
    seconds = stream.frames * (stream.time_base or NOTHING)
    return StatedLength(seconds, ROUNDED, torn=True) if place > end else StatedLength()


def _read_matroska(file: BinaryIO, end: int, stream: "AudioStream") -> StatedLength:
    """The stated length of Matroska: its segment has a size, unless it was written live; the length is in a tag, or that of all its streams together."""
    file.seek(_read_element(file)[1], 1)
    name, size = _read_element(file)
    live = size in {(1 << 7 * count) - 1 for count in range(1, 9)}
    if name != SEGMENT or live or file.tell() + size <= end:
        return StatedLength()
    tagged = CLOCK.match(stream.metadata.get("DURATION", ""))
    length = Fraction(getattr(stream.container, "duration", None) or 0, 1_000_000)
    if tagged:
        hours, minutes, seconds = tagged.groups()
        length = 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
    start = (stream.start_time or 0) * (stream.time_base or 1)
    return StatedLength(max(length - start, NOTHING), ROUNDED, torn=True)


SEGMENT = 0x18538067
CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def _read_element(file: BinaryIO) -> tuple[int, int]:
    """Name and size of an EBML element, the file then standing at its content; zeros where there is none."""
    name = _read_number(file, marked=True)
    return name, _read_number(file, marked=False)


def _read_number(file: BinaryIO, *, marked: bool) -> int:
    first = (file.read(1) or b"\0")[0]
    if not first:
        return 0
    more = 8 - first.bit_length()
    kept = first if marked else first & (0xFF >> more + 1)
    return int.from_bytes(bytes([kept]) + file.read(more), "big")


def _read_xing(file: BinaryIO, _end: int, stream: "AudioStream") -> StatedLength:
    """The stated length of an MP3 with variable bits, which begins with a frame that counts those after it."""
    while (head := file.read(10))[:3] == b"ID3":
        file.seek(tag_length(head) - 10, 1)
    found = length_of_frames(counted_frames(head + file.read(190)), stream.rate)
    exact = (stream.duration or 0) * (stream.time_base or NOTHING)
    # libav takes the padding off, and guesses by the bits where more lies in the file than is counted.
    return replace(found, seconds=exact) if abs(exact - found.seconds) <= found.slack else found


READERS: dict[str, Callable[[BinaryIO, int, "AudioStream"], StatedLength]] = {
    "wav": _read_wave,
    "w64": _read_wave64,
    "caf": _read_caf,
    "avi": _read_avi,
    "ogg": _read_ogg,
    "asf": _read_asf,
    "mp3": _read_xing,
    "matroska": _read_matroska,
}


def length_of_frames(frames: int, rate: int) -> StatedLength:
    """The stated length of an MP3 whose header counts so many frames."""
    each = 1152 if rate >= 32_000 else 576
    return (
        StatedLength(Fraction(frames * each, rate), Fraction(PRIMING, rate))
        if frames
        else StatedLength()
    )


def counted_frames(frame: bytes) -> int:
    """The number of frames that the first frame of an MP3 says follow (Xing's and LAME's head, or Fraunhofer's); 0 where it is one with sound."""
    if len(frame) < 60 or frame[0] != 0xFF or frame[1] < 0xE0:
        return 0
    if frame[36:40] == b"VBRI":
        return int.from_bytes(frame[50:54], "big")
    first, mono = frame[1] & 8, frame[3] >> 6 == 3
    place = 4 + ((17 if mono else 32) if first else (9 if mono else 17))
    header = frame[place : place + 12]
    flags = int.from_bytes(header[4:8], "big")
    if header[:4] not in {b"Xing", b"Info"} or flags > 15 or not flags & 1:
        return 0
    return int.from_bytes(header[8:12], "big")


def tag_length(head: bytes) -> int:
    """Bytes of an ID3v2 tag by its first ten, these included."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + 10 + (10 if head[5] & 0x10 else 0)


def why_unfinished(path: Path) -> str | None:
    """Why nothing of an MP4 can be read where its end is missing; None otherwise."""
    names, place, size = [], 0, path.stat().st_size
    with path.open("rb") as file:
        while place < size:
            file.seek(place)
            length, name, long = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
            names.append(name)
            length = long if length == 1 else length
            if length < 8:
                break
            place += length
    if names[:1] not in ([b"ftyp"], [b"wide"], [b"mdat"]) or b"moov" in names:
        return None
    return "it is cut off, or was never finished: what an MP4 ends with (its index, moov) is missing, and nothing can be read without it; get all of it"
