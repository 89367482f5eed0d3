"""Drafts: what is written under another name beside its place, until it is whole. The name has the number of the process that writes."""

import os
import re
import secrets
import stat
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

from storage.trees import remove_tree, walk_folders

NAME_BYTES = 255
"""Of a file's name, at most, on nearly every disk."""
SAME = 100
"""Characters by which the name of a draft is known."""
DRAFT_NAME = re.compile(r"^\..*\.([0-9]+)-[0-9a-f]{8}\.partial(\.[^.]*)?$")


def draft_path(path: Path) -> Path:
    """A new name beside a path, with its suffix."""
    # PyAV and others go by the suffix, so it stays last. The process number spares the drafts of a living process in a sweep.
    tag = f"{os.getpid()}-{secrets.token_hex(4)}.partial{path.suffix}"
    room = NAME_BYTES - len(os.fsencode(f"..{tag}"))
    return path.with_name(f".{_shorten_name(path.stem, room)}.{tag}")


def _shorten_name(stem: str, room: int) -> str:
    """A file name of at most `room` bytes that begins like this one."""
    name = os.fsencode(stem)
    return stem if len(name) <= room else name[:room].decode(errors="ignore")


def sweep_drafts(root: Path, own: Container[str]) -> int:
    """Remove every draft in a run's folder, and in its `own` ones there, that no living process is writing; how many there were.

    Only under the run's lock. Other folders may hold other runs, which have locks of their own.
    """
    count = 0
    for folder, folders, names in walk_folders(root):
        if Path(folder) == root:
            folders[:] = [name for name in folders if name in own or DRAFT_NAME.match(name)]
        for name in (*folders, *names):
            found = DRAFT_NAME.match(name)
            if found and not _is_alive(int(found[1])):
                discard_draft(Path(folder, name))
                count += 1
        folders[:] = [name for name in folders if not DRAFT_NAME.match(name)]
    return count


def sweep_beside(path: Path) -> None:
    """Remove the drafts of one file that were left by dead processes of this machine."""
    # Of a draft there may be a draft, whose name begins with one more dot; long names are cut.
    begins = f"{path.stem.lstrip('.')}."[:SAME]
    with suppress(OSError):
        for each in path.parent.iterdir():
            found = DRAFT_NAME.match(each.name)
            same = found and each.name.lstrip(".").startswith(begins)
            # Our own are another thread's.
            if found and same and int(found[1]) != os.getpid() and not _is_alive(int(found[1])):
                discard_draft(each)


def discard_draft(draft: Path) -> None:
    """Remove a draft, as far as the disk lets it."""
    with suppress(OSError):
        if is_folder(draft):
            remove_tree(draft)
        else:
            draft.unlink()


def is_folder(path: Path) -> bool:
    """True for a folder, and not for a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def process_exists(process: int) -> bool:
    """True if a process of this number runs on this machine, whosever it is; the number may be one that none can have, out of a foreign file."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return process > 0  # 0 and below are groups of processes


def _is_alive(process: int) -> bool:
    # A sweep comes before our own work, so our own number is an earlier life's.
    return process != os.getpid() and process_exists(process)
