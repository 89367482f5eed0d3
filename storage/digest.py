"""SHA-256, hex: what records vouch by."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.refusals import raise_if_machine_refused


def hash_array(array: NDArray[Any]) -> str:
    """SHA-256 of an array's bytes, hex: those of its chunk's file but for the last four, which are a checksum."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, hex, read a block at a time. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_size_flaw(path: Path, size: int) -> str | None:
    """What is wrong with a file that should have so many bytes; None if it has them. One look, nothing is read."""
    if not path.is_file():
        return "is a folder" if path.is_dir() else "is missing"
    found = path.stat().st_size
    if found == size:
        return None
    return f"has {found} bytes, not {size}" if found else "is empty"


def find_file_flaw(path: Path, size: int, digest: str | None) -> str | None:
    """What is wrong with a file of this size and, where one is given, this hash; None if nothing is."""
    flaw = find_size_flaw(path, size)
    return flaw if flaw or digest is None else find_hash_flaw(path, digest)


def find_hash_flaw(path: Path, digest: str) -> str | None:
    """What is wrong with a file that should have this hash; None if nothing is. One that cannot be read is asked twice."""
    reason: str | None = None
    for _ in range(2):
        try:
            return None if hash_file(path) == digest else CONTENT_CHANGED
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            raise_if_machine_refused(error)
            reason = error.strerror
    return f"cannot be read ({reason})"


CONTENT_CHANGED = "is not what was written"
