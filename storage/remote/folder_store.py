"""A store that is a folder, of this machine or one that several share: `file:///mnt/films/x`."""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.drafts import DRAFT_NAME
from storage.errors import NoConditionalWrites, StoreUnreachable
from storage.lock import NO_FLOCK
from storage.publish import make_folder, publish, publish_bytes, read_blocks, remove_path
from storage.remote.run_store import LARGEST_OBJECT, Content, StoredObject
from storage.run_paths import open_plain, path_inside, read_plain
from storage.trees import walk_folders

LOCK = ".store.lock"
PATIENCE = 10.0
"""Seconds for which another's write is waited for: a process that is stopped in the middle of one holds the lock."""


class FolderStore:
    """Objects are files, published durably; the two conditions are kept by a lock (flock) on one file of the folder."""

    def __init__(self, url: str, root: Path) -> None:
        self.url, self._root = url, root

    def put(self, name: str, content: Content) -> None:
        """Publish a file, whatever is there."""
        path = self._path(name)
        make_folder(path.parent)
        if isinstance(content, bytes):
            publish_bytes(path, content)
            return
        with publish(path) as draft, draft.open("wb") as file:
            for block in read_blocks(content) if isinstance(content, Path) else content:
                file.write(block)

    def create(self, name: str, content: bytes) -> bool:
        """Publish a file unless it is there."""
        with self._hold_lock():
            if self._path(name).exists():
                return False
            self.put(name, content)
        return True

    def replace(self, name: str, content: bytes, tag: str) -> bool:
        """Publish a file in place of exactly that version."""
        with self._hold_lock():
            found = self.get(name)
            if found is None or found.tag != tag:
                return False
            self.put(name, content)
        return True

    def get(self, name: str) -> StoredObject | None:
        """The content of a file, whose hash is its tag: times and inodes come again."""
        try:
            content = read_plain(self._path(name), LARGEST_OBJECT)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreUnreachable(self.url, error.strerror) from error
        return StoredObject(content, hashlib.sha256(content).hexdigest())

    def fetch(self, name: str, target: Path) -> bool:
        """Copy a file out of the folder."""
        try:
            shutil.copyfile(self._path(name), target)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def measure(self, name: str) -> int | None:
        """Bytes of a file."""
        path = self._path(name)
        return path.stat().st_size if path.is_file() else None

    def delete(self, name: str) -> None:
        """Remove a file, and the folders above it that are empty then."""
        path = self._path(name)
        remove_path(path)
        with suppress(OSError):
            while (path := path.parent) != self._root:
                path.rmdir()

    def copy(self, name: str, target: str) -> None:
        """Publish a copy of a file by another name."""
        self.put(target, self._path(name))

    def list_names(self, prefix: str) -> Iterator[str]:
        """Names of the files below a folder; no drafts."""
        for folder, _, names in walk_folders(self._path(prefix)):
            for name in names:
                if not DRAFT_NAME.match(name):
                    yield str(Path(folder, name).relative_to(self._root))

    def _path(self, name: str) -> Path:
        return path_inside(self._root, name)

    @contextmanager
    def _hold_lock(self) -> Iterator[None]:
        make_folder(self._root)
        file = open_plain(self._root / LOCK, os.O_RDWR | os.O_CREAT)
        try:
            self._lock_file(file)
            yield
        finally:
            os.close(file)

    def _lock_file(self, file: int) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise StoreUnreachable(self.url, "another process holds its lock") from None
                time.sleep(0.005)
            except OSError as error:
                if error.errno in NO_FLOCK:
                    words = f"its file system knows no lock: {error.strerror}"
                    raise NoConditionalWrites(self.url, words) from error
                raise StoreUnreachable(self.url, error.strerror) from error
            else:
                return
