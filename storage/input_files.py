"""The picture and the sound that a film is made of: a run has its own, by copy or by link, and the spec has their hashes."""

import hashlib
from pathlib import Path

from storage.digest import CONTENT_CHANGED, find_hash_flaw
from storage.errors import InputChanged, InputDamaged
from storage.publish import link_files, publish, read_blocks


def plain_suffix(path: Path) -> str:
    """The ending of a path's name (`.wav`) where it is a plain one of a few letters; empty otherwise."""
    suffix = path.suffix.lower()
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) < 12 else ""


def find_input_flaw(path: Path, digest: str) -> str | None:
    """What is wrong with a file that should have this hash; None if nothing is."""
    flaw = find_hash_flaw(path, digest)
    return "is not the file that the film was begun with" if flaw == CONTENT_CHANGED else flaw


def identify_file(path: Path) -> tuple[int, ...] | None:
    """What changes when a file is written or replaced: device, inode, size, both times in ns; None where it cannot be asked."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def copy_input(source: Path, target: Path, digest: str) -> None:
    """Publish a copy of an input, hashed on the way; raises InputChanged where it is another file by now."""
    found = hashlib.sha256()
    with publish(target) as draft, draft.open("wb") as here:
        for block in read_blocks(source):
            found.update(block)
            here.write(block)
        if found.hexdigest() != digest:
            raise InputChanged(source)


def link_input(source: Path, target: Path, digest: str) -> None:
    """Publish a link to another run's copy of an input; raises InputDamaged where that is not whole."""
    if (flaw := find_input_flaw(source, digest)) is not None:
        raise InputDamaged(source, flaw, digest)
    link_files([(source, target)])
