"""The picture, the sound and the pose video that a film is made of: a run has its own, by copy or by link, and the spec has their hashes."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
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


class InputCopies:
    """A run's copies of its inputs, by name, and the hash that each must have."""

    def __init__(
        self, find_paths: Callable[[], Mapping[str, Path]], digests: Mapping[str, str]
    ) -> None:
        """`find_paths` is asked each time: it refuses a link that somebody has put in a file's place since."""
        self._find_paths, self._digests = find_paths, digests
        self._hashed: dict[str, tuple[int, ...] | None] = {}

    def find_flaws(self) -> Iterator[tuple[Path, str, str]]:
        """Each that is lost or damaged, what is wrong with it, and its hash. Reads them all."""
        for name, path in self._find_paths().items():
            if (flaw := find_input_flaw(path, self._digests[name])) is not None:
                yield path, flaw, self._digests[name]

    def check(self, *names: str) -> None:
        """Raise InputDamaged unless those of these names, or all, are whole.

        They are hashed once: not again, nor after this process has copied them, while inode, size and times stay.
        """
        paths = self._find_paths()
        for name in names or paths:
            path, digest, found = paths[name], self._digests[name], identify_file(paths[name])
            if found is not None and found == self._hashed.get(name):
                continue
            if (flaw := find_input_flaw(path, digest)) is not None:
                raise InputDamaged(path, flaw, digest)
            self._hashed[name] = found

    def trust(self) -> None:
        """Take all for whole as they are now: they were hashed on the way here."""
        self._hashed = {name: identify_file(path) for name, path in self._find_paths().items()}
