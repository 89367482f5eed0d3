"""Trees of folders walked and removed, also those of somebody's that are nested deeper than Python can follow."""

import os
import secrets
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

DEEPEST = 16
"""Folders below each other that are looked into; a run has four."""


def walk_folders(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """What `os.walk` gives, from the top down, no deeper than a run could have files: os.walk calls itself for each folder."""
    above = len(root.parts)
    for entry in os.walk(root):
        yield entry
        if len(Path(entry[0]).parts) - above >= DEEPEST:
            entry[1].clear()


def remove_tree(root: Path) -> None:
    """Remove a folder with all that is in it, however deep. Raises OSError."""
    above = len(root.parts)
    if any(inner and len(Path(at).parts) - above >= DEEPEST for at, inner, _ in walk_folders(root)):
        _lift_folders(root)
    shutil.rmtree(root)


def _lift_folders(root: Path) -> None:
    """Move every folder of a tree to its top, so that no path is longer than its root's by more than two names."""
    left, token, numbers = [root], secrets.token_hex(4), count()
    while left:
        with os.scandir(left.pop()) as entries:
            inner = [each.path for each in entries if each.is_dir(follow_symlinks=False)]
        for path in inner:
            lifted = root / f".{token}.{next(numbers)}"
            Path(path).rename(lifted)
            left.append(lifted)
