"""Folders for what is gone afterwards: only their owner may enter them, and those that a killed process left are swept by the next command."""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.errors import BadInput, NotWritable
from storage.trees import remove_tree

_PREFIX, _LOCK = ".longtake-", "lock"
_OWN = b"longtake\n"
"""What a lock and a mark hold, so that a file of somebody's that has such a name is told from them."""


def private_folder() -> Path:
    """The folder of this user in the system's place for temporary files, mode 0700. Raises NotWritable where something of another's has its name."""
    path = _private_path()
    try:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        there = path.lstat()
        if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid():
            raise NotWritable(path, "it is no folder of yours; set TMPDIR to another place")
        if stat.S_IMODE(there.st_mode) != stat.S_IRWXU:
            path.chmod(stat.S_IRWXU)
    except OSError as error:
        raise NotWritable(path, error.strerror) from error
    return path


@contextmanager
def scratch_folder(parent: Path, what: str) -> Iterator[Path]:
    """A new folder in `parent`, mode 0700, named after `what` it is for; gone on leaving. Those of killed processes there go first. Raises NotWritable."""
    sweep_scratch(parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{what}.", dir=parent))
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NotWritable(parent, error.strerror) from error
    try:
        with suppress(OSError):  # a file system without locks: nobody sweeps there
            _try_lock(lock)
        # Once it is locked: whoever finds this text and no lock has found what a dead process left.
        os.write(lock, _OWN)
        yield folder
    finally:
        with suppress(OSError):
            remove_tree(folder)
        os.close(lock)


@contextmanager
def hold_marker(mark: Path) -> Iterator[bool]:
    """Hold a file that says that somebody works beside it; True where a killed process left it. Gone on leaving, unless a signal ends the work.

    Raises BadInput where a living process holds it or a file of somebody's has its name, NotWritable.
    """
    before = os.path.lexists(mark)
    if before and not _is_own(mark):
        raise BadInput(f"{mark} is there, and is not longtake's. Move it, or name another folder.")
    try:
        lock = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NotWritable(mark, error.strerror) from error
    try:
        with suppress(OSError):  # a file system without locks
            if not _try_lock(lock):
                raise BadInput(f"Another process works in {mark.parent}. Wait for it.")
        try:
            _write_own(lock, mark)
            yield before
        except Exception:
            mark.unlink(missing_ok=True)
            raise
        mark.unlink(missing_ok=True)
    finally:
        os.close(lock)


def sweep_scratch(parent: Path | None = None) -> int:
    """Remove the scratch folders in `parent` (None: in the private folder) that no process holds any more; how many there were.

    Those of other users, and what only has such a name, stay.
    """
    count = 0
    with suppress(OSError), os.scandir(_private_path() if parent is None else parent) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False):
                count += _sweep_folder(Path(entry.path))
    return count


def _private_path() -> Path:
    return Path(tempfile.gettempdir(), f"longtake-{os.getuid()}")


def _sweep_folder(folder: Path) -> bool:
    """True if the folder was a dead process's, and so was removed."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if folder.lstat().st_uid != os.getuid() or not _try_lock(lock):
            return False
        if os.pread(lock, 2 * len(_OWN), 0) != _OWN:
            return False
    except OSError:  # nobody can tell
        return False
    else:
        with suppress(OSError):
            remove_tree(folder)
        return True
    finally:
        os.close(lock)


def _write_own(lock: int, mark: Path) -> None:
    try:
        os.pwrite(lock, _OWN, 0)
    except OSError as error:
        raise NotWritable(mark, error.strerror) from error


def _is_own(mark: Path) -> bool:
    try:
        file = os.open(mark, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with os.fdopen(file, "rb") as opened:
        return stat.S_ISREG(os.fstat(file).st_mode) and opened.read(2 * len(_OWN)) == _OWN


def _try_lock(file: int) -> bool:
    """Lock a file; False where a living process holds it. Raises OSError on a file system without locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
