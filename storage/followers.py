"""Who is told what is published in a run's folder: the store that the run has beyond this machine, where it has one.

storage/publish.py tells it, once a path is durable here and before the call returns that made it so.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

_followers: dict[str, "Follower"] = {}
"""By the folder as text."""


class Follower(Protocol):
    """Hears of a folder. What it raises goes to whoever publishes."""

    def note_published(self, path: Path) -> None:
        """A file or a folder is there, whole and durable."""

    def note_removed(self, path: Path) -> None:
        """A file or a folder was there and is gone, durably."""


@contextmanager
def follow_folder(root: Path, follower: Follower) -> Iterator[None]:
    """Have a follower told of all that is published in a folder meanwhile, by any thread of this process."""
    _followers[str(root)] = follower
    try:
        yield
    finally:
        del _followers[str(root)]


def tell_published(path: Path) -> None:
    """Tell the follower of the folder that a path lies in, if there is one."""
    if (follower := _find_follower(path)) is not None:
        follower.note_published(path)


def tell_removed(path: Path) -> None:
    """Tell it that a path is gone."""
    if (follower := _find_follower(path)) is not None:
        follower.note_removed(path)


def _find_follower(path: Path) -> Follower | None:
    text = str(path)
    for root, follower in _followers.items():
        if text.startswith(f"{root}/"):
            return follower
    return None
