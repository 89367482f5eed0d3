"""The way into a run's folder, which is data and may be somebody else's: no link is followed, and what is opened is a plain file.

Every path below a run's root is asked for here. A run holds no symbolic links, pipes or devices: one that lies there is refused by name. A file that is
written in place has one name only, so that it is no other's at the same time; what is published is a new file anyhow (storage/publish.py).
"""

import errno
import os
import secrets
import shutil
import stat
from pathlib import Path

from storage.errors import LinkInRun

KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
_PLAIN = (stat.S_IFREG, stat.S_IFDIR)
_NO_STEPS = frozenset(("", ".", ".."))


def path_inside(root: Path, *parts: str) -> Path:
    """The path of something in a run's folder, whether or not it is there; `parts` are names, or names with slashes between them.

    Raises LinkInRun where it, or a folder on the way, is neither a plain file nor a folder, or leads out of the root.
    """
    names = "/".join(parts)
    steps, there = names.split("/"), str(root)
    if not _NO_STEPS.isdisjoint(steps):
        raise LinkInRun(root, repr(names), "a way out of it")
    for step in steps:
        there = f"{there}/{step}"
        try:
            mode = stat.S_IFMT(os.lstat(there).st_mode)
        except OSError:  # not there, or not to be looked at: who opens it is told
            break
        if mode not in _PLAIN:
            raise LinkInRun(root, there[len(str(root)) + 1 :], KINDS[mode])
    return root / names


def open_plain(path: Path | str, flags: int) -> int:
    """Open a plain file, as `os.open` does, but follow no link and wait for no pipe. Raises OSError: ELOOP for a link, EINVAL for another kind."""
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "it is no plain file")
    return file


def face_picture_path(root: Path) -> Path:
    """The small picture that shows where the face was taken to be, of a run whose model needs one; beside its inputs."""
    return path_inside(root, "inputs/face.png")


def sound_folder(root: Path, sound: int) -> Path:
    """The folder of one of a film's sounds as the model hears it: of the first, or of a later one by its number."""
    return root / "sound" if not sound else path_inside(root, "dubbed") / f"{sound:05d}"


def open_own(path: Path, flags: int) -> int:
    """Open a file to be written in place; the file descriptor. A file that has another name elsewhere is replaced by a copy of it first."""
    file = open_plain(path, flags)
    if os.fstat(file).st_nlink <= 1:
        return file
    os.close(file)
    _break_hard_link(path)
    return open_plain(path, flags)


def append_bytes(path: Path, data: bytes) -> None:
    """Add bytes to the end of a file, in one write: what two processes add does not mix."""
    file = open_own(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, data)
    finally:
        os.close(file)


def replace_content(path: Path, data: bytes) -> None:
    """Let a small file hold these bytes, written in place: for what a crash may cost. Raises OSError."""
    file = open_own(path, os.O_WRONLY | os.O_CREAT)
    try:
        os.ftruncate(file, 0)
        os.write(file, data)
    finally:
        os.close(file)


def read_plain(path: Path | str, most: int) -> bytes:
    """The content of a plain file of at most so many bytes; raises OSError, EFBIG for a larger one."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        if found.st_size > most:
            raise OSError(errno.EFBIG, f"it is larger than {most} bytes")
        return os.read(file, found.st_size)
    finally:
        os.close(file)


def _break_hard_link(path: Path) -> None:
    # By the name of a draft, so that a sweep removes what a crash leaves.
    copy = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}.partial{path.suffix}")
    there = open_plain(path, os.O_RDONLY)
    with os.fdopen(there, "rb") as source, copy.open("xb") as target:
        shutil.copyfileobj(source, target)
    copy.replace(path)
