"""The disk that a run lies on: what is free of it, whose the place is, and a shortage in words."""

import errno
import os
import pwd
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage.errors import NotWritable
from storage.trees import walk_folders

DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT)
PASSING_ERRORS = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT)
"""What a disk, above all one behind a network, says once and then no more."""
REFUSED = (*PASSING_ERRORS, errno.EFBIG, errno.EROFS)
"""What says that a file cannot be written; too large is one beyond the limit of the process, too."""
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)
"""What says that there is no such file."""
SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.ENOLCK)
"""What a machine says that is short of something: nothing of the file."""


@dataclass(frozen=True)
class FileSystem:
    """A file system as it is now."""

    free: int
    """Bytes that may still be written, by others than root too."""
    files: int | None
    """Files that may still be made; None where there is no such limit."""
    read_only: bool


def read_file_system(path: Path) -> FileSystem:
    """What is free on the file system that a path lies on, and whether it is read-only; takes two microseconds. Raises OSError where there is no such path."""
    found = os.statvfs(path)
    files = found.f_favail if found.f_files else None
    return FileSystem(found.f_bavail * found.f_frsize, files, bool(found.f_flag & os.ST_RDONLY))


def count_bytes(root: Path) -> int:
    """Bytes of all files in a folder; one that a running film removes meanwhile is no fault."""
    total = 0
    for folder, _, names in walk_folders(root):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(folder, name).lstat().st_size
    return total


def describe_place(path: Path) -> str:
    """A path with its owner and the file system that it lies on, in words."""
    there = nearest_existing(path.absolute())
    mount = next(each for each in (there, *there.parents) if os.path.ismount(each))
    return f"{path} (owned by {_owner_name(there)}, on {mount})"


def describe_shortage(path: Path, needed: int) -> str:
    """How many bytes are missing where, in words."""
    free = read_file_system(nearest_existing(path)).free
    short = max(0, needed - free)
    return f"{describe_place(path)}: {format_bytes(needed)} are needed, {format_bytes(free)} are free, {format_bytes(short)} are short"


def format_bytes(number: int) -> str:
    """Bytes in words; GB = 1e9."""
    unit, name = next(
        (each for each in ((10**9, "GB"), (10**6, "MB")) if number >= each[0]), (10**3, "kB")
    )
    return f"{number / unit:.2f} {name}"


def nearest_existing(path: Path) -> Path:
    """The path, or the nearest one above it that exists."""
    return next(there for there in (path, *path.parents) if there.exists())


def check_writable(path: Path) -> None:
    """Raise NotWritable unless the folder, or the nearest one above it that exists, can be written."""
    there = nearest_existing(path)
    if not there.is_dir():
        raise NotWritable(path, f"{there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise NotWritable(path, f"no right to write in {there}")
    if read_file_system(there).read_only:
        raise NotWritable(path, f"{there} is mounted read-only")


def _owner_name(path: Path) -> str:
    number = path.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a container has users that its list does not know
        return f"user {number}"
