"""What a disk may hold after a power cut: what was synced, and of the rest whatever it likes.

In place of os.fsync it keeps, of every folder, the names that were synced, and of every file the bytes that were. `drop` then writes out one state that a file system may leave: each name is, by the throw of a die, as synced or as it is now; each file whose bytes
were not synced is whole, cut, empty, or as long but zeros. Names are thrown one by one, so renames and removals come in any order: more than ext4 or XFS do.
"""

import os
import random
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path

Names = dict[str, int]


class Disk:
    """A folder, and what of it would survive."""

    def __init__(self, parent: Path, name: str, seed: int) -> None:
        self.parent, self.name = parent, name
        self.lock = threading.RLock()
        self._chance = random.Random(seed)
        self._ids: dict[int, int] = {}
        self._fresh = count()
        self._names: dict[int, Names] = {}
        """Of a folder, what its last sync has made durable."""
        self._bytes: dict[int, bytes] = {}
        self._folders: set[int] = set()
        self._settled: dict[int, Path] = {}

    def settle(self, folder: Path) -> None:
        """What lies in another folder was synced long ago: a file of it that gets a name here as well has its bytes."""
        self._settled = {path.stat().st_ino: path for path in folder.rglob("*") if path.is_file()}

    def fsync(self, file: int) -> None:
        """In place of os.fsync: what was there before the call has survived it."""
        path = Path(f"/proc/self/fd/{file}").readlink()
        with self.lock:
            self._look()
            if path.is_dir():
                self._names[self._number(path)] = self._list(path)
            else:
                self._bytes[self._number(path)] = path.read_bytes()

    def drop(self, target: Path) -> None:
        """Write out a state that a power cut now may leave."""
        self._look()
        root = self._number(self.parent)
        # The parent is the user's own folder: the run's name in it is durable once it was synced.
        now, synced = self._list(self.parent), self._names.get(root, {})
        if self.name in now and self._one(now.get(self.name), synced.get(self.name)) is not None:
            self._write(self.parent / self.name, now[self.name], target)
        target.mkdir(exist_ok=True)

    def _write(self, source: Path | None, number: int, target: Path) -> None:
        if number in self._folders:
            target.mkdir()
            now = self._list(source) if source is not None and source.is_dir() else {}
            synced = self._names.get(number, {})
            for name in sorted({*now, *synced}):
                one = self._one(now.get(name), synced.get(name))
                if one is not None:
                    there = source / name if source is not None and now.get(name) == one else None
                    self._write(there, one, target / name)
            return
        target.write_bytes(self._content(source, number))

    def _one(self, now: int | None, synced: int | None) -> int | None:
        return now if now == synced else self._chance.choice([now, synced])

    def _content(self, source: Path | None, number: int) -> bytes:
        if number in self._bytes:
            return self._bytes[number]
        whole = source.read_bytes() if source is not None else b""
        cut = whole[: self._chance.randrange(len(whole) + 1)]
        return self._chance.choice([whole, cut, b"", bytes(len(whole))])

    def _look(self) -> None:
        """Numbers of our own for all that is there: the file system uses its own again."""
        there = {self.parent.stat().st_ino: True}
        for folder, folders, files in os.walk(self.parent / self.name):
            for names, is_folder in ((["."], True), (folders, True), (files, False)):
                for name in names:
                    # Another thread may rename or remove it meanwhile.
                    with suppress(FileNotFoundError):
                        there[os.lstat(os.path.join(folder, name)).st_ino] = is_folder  # noqa: PTH118 - a thousand times
        self._ids = {own: number for own, number in self._ids.items() if own in there}
        for own, is_folder in there.items():
            if own not in self._ids:
                self._ids[own] = next(self._fresh)
                if own in self._settled:
                    self._bytes[self._ids[own]] = self._settled[own].read_bytes()
            if is_folder:
                self._folders.add(self._ids[own])

    def _number(self, path: Path) -> int:
        return self._ids[path.stat().st_ino]

    def _list(self, folder: Path) -> Names:
        with os.scandir(folder) as entries:
            found = {entry.name: entry.inode() for entry in entries}
        return {name: self._ids[own] for name, own in found.items() if own in self._ids}
