"""A chunk as it lies on the disk: raw little-endian numbers with a crc32c behind them, and so read without Zarr, which would believe any zarr.json.

Its shape and its type are the reader's own, so its length is known before a byte is read: nothing in a chunk is unpacked, and none is larger than it says.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.digest import CONTENT_CHANGED
from storage.refusals import raise_if_machine_refused
from storage.run_paths import open_plain

Array = NDArray[Any]
Shape = tuple[int, ...]

CHECKSUM = 4
"""Bytes of crc32c at the end."""
PIECE = 1 << 20


class ChunkUnreadable(ValueError):  # noqa: N818 - as in storage/errors.py
    """What is wrong with a chunk, to be read after its name."""


def chunk_bytes(shape: Shape, dtype: str) -> int:
    """The length of a chunk's file."""
    return prod(shape) * np.dtype(dtype).itemsize + CHECKSUM


def read_chunk(path: Path, shape: Shape, dtype: str) -> Array:
    """The numbers of a chunk. Raises Unreadable where it is missing, has another length or another checksum."""
    with _open_chunk(path, chunk_bytes(shape, dtype)) as file:
        array = np.empty(shape, dtype)
        data = array.reshape(-1).view(np.uint8)
        rest = data.data
        while rest and (count := os.readv(file, [rest])):
            rest = rest[count:]
        stored = os.read(file, CHECKSUM)
    if rest or stored != _crc32c(data):
        raise ChunkUnreadable(CONTENT_CHANGED)
    return array


def digest_of_chunk(path: Path, shape: Shape, dtype: str, prefix: bytes = b"") -> str:
    """SHA-256, hex, of a prefix and a chunk's numbers, a megabyte at a time. Raises Unreadable, as `read_chunk` does."""
    import google_crc32c

    size = chunk_bytes(shape, dtype)
    found, checksum, left = hashlib.sha256(prefix), 0, size - CHECKSUM
    with _open_chunk(path, size) as file:
        while left and (block := os.read(file, min(PIECE, left))):
            found.update(block)
            checksum = google_crc32c.extend(checksum, block)
            left -= len(block)
        stored = os.read(file, CHECKSUM)
    if left or stored != checksum.to_bytes(CHECKSUM, "little"):
        raise ChunkUnreadable(CONTENT_CHANGED)
    return found.hexdigest()


def _crc32c(data: NDArray[np.uint8]) -> bytes:
    import google_crc32c

    return int(google_crc32c.value(data)).to_bytes(CHECKSUM, "little")


@contextmanager
def _open_chunk(path: Path, size: int) -> Iterator[int]:
    """Open a chunk's file that has this length, and no other."""
    try:
        file = open_plain(path, os.O_RDONLY)
    except FileNotFoundError:
        raise ChunkUnreadable("is missing") from None
    except OSError as error:
        raise_if_machine_refused(error)
        raise ChunkUnreadable(f"cannot be read ({error.strerror})") from error
    try:
        found = os.fstat(file).st_size
        if found != size:
            raise ChunkUnreadable(f"has {found} bytes, not {size}" if found else "is empty")
        yield file
    except OSError as error:
        raise_if_machine_refused(error)
        raise ChunkUnreadable(f"cannot be read ({error.strerror})") from error
    finally:
        os.close(file)
