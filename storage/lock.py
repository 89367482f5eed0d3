"""The run's lock: one process tree at a time works on a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def lock(root: Path) -> Iterator[None]:
    """Hold a run's lock. A child process of the holder (and the holder itself, again) may enter; a dead holder's lock is taken over.

    Raises RunLocked, which names host, process and since when.
    """
    raise NotImplementedError
    yield


def held(root: Path) -> bool:
    """True if this process, or the one it descends from, holds the run's lock."""
    raise NotImplementedError
