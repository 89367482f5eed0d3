"""The boxes that an mp4 consists of, found by their heads; nothing else of it is read."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.media_file import MediaFile

HEAD, SHORTEST = 16, 8
"""Bytes of a box's head, with its long size and without."""


@dataclass(frozen=True)
class Box:
    """Where a box stands in its file, in bytes from the beginning."""

    name: bytes
    start: int
    body: int
    """After its head."""
    stop: int


def walk_boxes(file: "MediaFile", start: int = 0, stop: int | None = None) -> Iterator[Box]:
    """The boxes of a file, or of a stretch of it; raises ValueError where they do not end where it does."""
    end = file.seek(0, os.SEEK_END) if stop is None else stop
    while start < end:
        file.seek(start)
        head = file.read(HEAD)
        size, long = int.from_bytes(head[:4]), int.from_bytes(head[:4]) == 1
        size = int.from_bytes(head[8:]) if long else size
        if size < SHORTEST or start + size > end:
            raise ValueError(f"it is torn at byte {start}")
        yield Box(head[4:8], start, start + (HEAD if long else SHORTEST), start + size)
        start += size


def find_box(file: "MediaFile", *names: bytes) -> Box | None:
    """The first box of these names, each within the one before; None where there is none. Raises ValueError."""
    start, stop, found = 0, None, None
    for name in names:
        found = next((box for box in walk_boxes(file, start, stop) if box.name == name), None)
        if found is None:
            return None
        start, stop = found.body, found.stop
    return found


def read_body(file: "MediaFile", box: Box, most: int) -> bytes:
    """What a box holds, at most so many bytes of it."""
    file.seek(box.body)
    return file.read(min(box.stop - box.body, most))


def make_box(name: bytes, *parts: bytes) -> bytes:
    """A box of these parts in a row."""
    body = b"".join(parts)
    return (SHORTEST + len(body)).to_bytes(4) + name + body
