"""A path exists complete, or not at all: draft → write → fsync → rename → fsync the folder.

Everything in a run folder that must survive a power cut goes through here and nowhere else, so that an object store can take the place of this one
file. Only a commit record (storage/records.py) says that something is done; what is published here merely exists whole.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

KillPoint = Callable[[str, Path], None]

kill_point: KillPoint | None = None
"""Called, when a test sets it, before each step that the disk sees: create, write, fsync, rename, dirsync, unlink, mkdir."""


@contextmanager
def publish(path: Path) -> Iterator[Path]:
    """A draft beside `path`, with its suffix, to write into; on leaving it becomes `path`, durably. On any exception it is removed."""
    raise NotImplementedError
    yield path


@contextmanager
def publish_folder(path: Path) -> Iterator[Path]:
    """A draft folder that becomes `path` with all that is in it, durably. `path` must not exist."""
    raise NotImplementedError
    yield path


def publish_bytes(path: Path, *parts: bytes | memoryview) -> None:
    """Make a file of these bytes, durably. After a failed fsync it is written again under a new name, three times at most."""
    raise NotImplementedError


def make_folder(path: Path) -> None:
    """Make a folder and those above it, durably; one that exists is left alone."""
    raise NotImplementedError


def remove(path: Path) -> None:
    """Remove a file or a folder, durably; one that is not there is fine."""
    raise NotImplementedError


def sweep(root: Path) -> int:
    """Remove every draft below a folder that no living process is writing; how many there were. Only under the run's lock."""
    raise NotImplementedError
