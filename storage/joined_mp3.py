"""MP3 files that were joined to one, as players take them: the tags that then stand in its middle are no sound, and hide the sound after them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from storage.stated_length import tag_length

MARKS = re.compile(rb"ID3[\x02-\x04]|APETAGEX|LYRICSBEGIN|TAG")
BLOCK = 1 << 20
LONGEST_MARK = 11
LONGEST_LYRICS = 1 << 16


def inner_tags(path: Path) -> list[range]:
    """Byte ranges of the tags (ID3, APE, Lyrics3) after the first frame of an MP3, in order; reads the file once, block by block."""
    size, found = path.stat().st_size, list[range]()
    with path.open("rb") as file:
        for mark in list(_find_tag_marks(file)):
            tag = _read_tag(file, mark)
            inside = bool(found) and mark < found[-1].stop
            if tag and not inside and tag.start > 0 and _is_followed(file, tag.stop, size):
                found.append(tag)
    return found


def _find_tag_marks(file: BinaryIO) -> Iterator[int]:
    """Offsets at which the name of a tag stands; three letters may do so by chance."""
    place, last, tail = 0, -1, b""
    while block := file.read(BLOCK):
        data = tail + block
        for match in MARKS.finditer(data):
            mark = place - len(tail) + match.start()
            if mark > last:
                yield (last := mark)
        place, tail = place + len(block), data[-LONGEST_MARK:]


def _read_tag(file: BinaryIO, mark: int) -> range:
    """The byte range of the tag that has its mark here; an empty one where there is none."""
    file.seek(mark)
    head = file.read(128)
    if head[:3] == b"ID3":
        return range(mark, mark + tag_length(head))
    if head[:3] == b"APE":
        size, flags = (int.from_bytes(head[place : place + 4], "little") for place in (12, 20))
        # By its head it is longer than it says, by its foot alone it lies before.
        return (
            range(mark, mark + size + 32) if flags >> 29 & 1 else range(mark + 32 - size, mark + 32)
        )
    if head[:3] == b"LYR":
        file.seek(mark)
        ends = re.search(b"LYRICS200|LYRICSEND", file.read(LONGEST_LYRICS))
        return range(mark, mark + ends.end()) if ends else range(0)
    words = head[3:93]  # title, artist, album
    return range(mark, mark + 128) if not re.search(rb"[\x01-\x1f]", words) else range(0)


def _is_followed(file: BinaryIO, place: int, size: int) -> bool:
    """True if a frame or another tag begins at this place, or the file ends there."""
    if not 0 <= place < size:
        return place == size
    file.seek(place)
    head = file.read(LONGEST_MARK)
    return MARKS.match(head) is not None or (head[0] == 0xFF and head[1:2] >= b"\xe0")
