"""The run's lock: one process tree at a time works on a run.

The kernel's lock (flock) on run.lock decides, so a dead holder holds nothing, on this machine and over NFS. The text in the file only names the
holder, and lets its children in: they find its token in their environment. Where a file system knows no flock, the file run.lock.held, which
only one can make, decides in its place; a dead holder is then known by its number and the moment of its birth.
"""

import errno
import fcntl
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from storage.drafts import process_exists
from storage.errors import LockLost, MachineLimit, NotReadable, NotWritable, RunLocked
from storage.publish import set_aside
from storage.refusals import raise_if_unreadable
from storage.run_paths import open_plain, path_inside, read_plain
from storage.schema import TableWith, Text, Unfit, Whole, parse_json

LOCK_FILE, HELD_FILE = "run.lock", "run.lock.held"
TOKENS_VARIABLE = "LONGTAKE_LOCKS"
HOLDER_BYTES = 512
"""Of the text, always: written over in place, it needs no room on a full disk."""
_FIRST = b'{"host": '
"""What its text begins with where somebody holds it."""
NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)

HOLDER = TableWith(
    {
        "host": Text(255),
        # Never 0, 1 or less: it is told to people as what to end.
        "process": Whole(2, (1 << 31) - 1),
        "since": Text(64),
        "token": Text(64),
    },
    {"born": Text(256)},
)

Holder = dict[str, str | int]


@contextmanager
def hold_lock(root: Path) -> Iterator[str | None]:
    """Hold a run's lock; gives the dead process that had it, if one had. A child process of the holder (and the holder itself, again) may enter.

    Raises RunLocked, which names host, process and since when.
    """
    file = _open_lock_file(root)
    try:
        if _try_lock(file, root):
            before = _read_holder(root)
            file = _break_hard_link(file, root)
            with _holder_written(file, root):
                yield describe_holder(before) if before else None
        elif is_held(root):
            yield None
        else:
            raise _refuse_locked(root, _read_holder(root))
    finally:
        # Closed, never unlocked: an unlock would also end the lock of a forked child that is still at work.
        os.close(file)


def is_held(root: Path) -> bool:
    """True if this process, or the one it descends from, holds the run's lock."""
    return _read_holder(root).get("token") in os.environ.get(TOKENS_VARIABLE, "").split()


def require_lock(root: Path) -> None:
    """Raise LockLost unless the lock is still ours: somebody may have removed or broken it."""
    if not is_held(root):
        raise LockLost(root, describe_holder(_read_holder(root)))


def break_held_lock(root: Path) -> None:
    """Take the lock from a process on another machine, which cannot be asked; raises RunLocked where it lives on this one."""
    holder = _read_holder(root)
    if not holder and not (root / HELD_FILE).exists():
        return
    if holder and holder["host"] == socket.gethostname() and is_alive(holder):
        raise _refuse_locked(root, holder)
    for name in (LOCK_FILE, HELD_FILE):
        (root / name).unlink(missing_ok=True)


def is_lock(root: Path, name: str = LOCK_FILE) -> bool:
    """True if the file by the lock's name (or by that of the file HELD) is one that was made here, and not somebody's own.

    Its text is not synced: a power cut may leave any beginning of it, or zeros.
    """
    path = root / name
    if path.is_symlink() or not path.is_file() or path.stat().st_size > HOLDER_BYTES:
        return False
    found = path.read_bytes().strip(b"\0 \n")
    return found.startswith(_FIRST) or _FIRST.startswith(found)


def find_worker(root: Path) -> str | None:
    """Who works on the run, by the lock's text; None where nobody does. Locks nothing, so that looking never stops a start."""
    holder = _read_holder(root)
    if not holder or (holder["host"] == socket.gethostname() and not is_alive(holder)):
        return None
    return describe_holder(holder)


def find_local_holder(root: Path) -> int | None:
    """The number of the process on this machine that holds the lock, by the lock's text; None where nobody here does."""
    holder = _read_holder(root)
    here = holder and holder["host"] == socket.gethostname() and is_alive(holder)
    return int(holder["process"]) if here else None


def process_start(process: int) -> str:
    """What tells a process from a later one of the same number: its start and that of the machine; empty where nobody knows."""
    try:
        if sys.platform == "darwin":
            words = ["ps", "-o", "lstart=", "-p", str(process)]
            return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
        # Counted in ticks since the machine started: a clock that is set changes nothing.
        start = _read_stat(process)[19]
        return (
            f"{start} {Path('/proc/sys/kernel/random/boot_id').read_text(encoding='utf-8').strip()}"
        )
    except (OSError, IndexError, subprocess.CalledProcessError):
        return ""


def _read_stat(process: int) -> list[str]:
    """The fields of /proc/N/stat from the process's state on."""
    text = Path(f"/proc/{process}/stat").read_text(encoding="latin-1")
    return text.rpartition(")")[2].split()


def _is_zombie(process: int) -> bool:
    """True if it is dead and its parent has not asked for its exit code yet, which may take for ever."""
    try:
        return _read_stat(process)[0] == "Z"
    except (OSError, IndexError):
        return False


def is_alive(holder: Holder) -> bool:
    """True if the process that a holder names runs on this machine."""
    process = int(holder["process"])
    if not process_exists(process) or _is_zombie(process):
        return False
    now, then = process_start(process), str(holder.get("born", ""))
    return not now or now == then  # whoever writes no start where one can be known is not longtake


def _open_lock_file(root: Path) -> int:
    path = path_inside(root, LOCK_FILE)
    if path.is_dir():  # nobody can hold it by that
        set_aside(path)
    try:
        return open_plain(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise NotWritable(root, error.strerror) from error


def _try_lock(file: int, root: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_FLOCK:
            return _create_held_file(root)
        raise NotWritable(root, f"it cannot be locked: {error.strerror}") from error
    return _is_current_file(file, root) and not _is_held_without_flock(root)


def _break_hard_link(file: int, root: Path) -> int:
    """The lock's file, locked; where it has another name elsewhere, a new file in its place, since its text is written over."""
    if os.fstat(file).st_nlink <= 1:
        return file
    # By the name of a draft, so that a sweep removes what a crash leaves.
    draft = root / f".{LOCK_FILE}.{os.getpid()}-{secrets.token_hex(4)}.partial"
    own = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with suppress(OSError):  # a file system that knows no flock: the other file decides
        fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
    draft.replace(root / LOCK_FILE)
    os.close(file)
    return own


def _is_current_file(file: int, root: Path) -> bool:
    """False if the file was removed, or broken, between opening and locking it."""
    try:
        return os.path.samestat(os.fstat(file), (root / LOCK_FILE).lstat())
    except FileNotFoundError:
        return False


def _is_held_without_flock(root: Path) -> bool:
    """True if another machine, where flock does not work, holds it by the other file."""
    other = _read_holder_file(root / HELD_FILE)
    return bool(other) and not _is_dead(other)


def _create_held_file(root: Path) -> bool:
    """Make the file that only one can make; that of a dead process on this machine is moved out of the way first."""
    for _ in range(2):
        try:
            os.close(os.open(root / HELD_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
        except FileExistsError:
            before = _read_holder_file(root / HELD_FILE)
            if not _is_dead(before):
                return False
            _move_away(root, before)
        else:
            return True
    return False


def _is_dead(holder: Holder) -> bool:
    return bool(holder) and holder["host"] == socket.gethostname() and not is_alive(holder)


def _move_away(root: Path, dead: Holder) -> None:
    aside = root / f".{HELD_FILE}.{secrets.token_hex(4)}"
    with suppress(FileNotFoundError):
        (root / HELD_FILE).rename(aside)
        if _read_holder_file(aside) != dead:  # somebody was faster, and this is theirs
            aside.rename(root / HELD_FILE)
        aside.unlink(missing_ok=True)


@contextmanager
def _holder_written(file: int, root: Path) -> Iterator[None]:
    token, owner = secrets.token_hex(8), os.getpid()
    now = datetime.now(UTC).isoformat(" ", "seconds")
    who: Holder = {"host": socket.gethostname(), "process": owner, "born": process_start(owner)}
    _write_holder(file, root, {**who, "since": now, "token": token})
    before = os.environ.get(TOKENS_VARIABLE, "")
    os.environ[TOKENS_VARIABLE] = f"{before} {token}".strip()
    try:
        yield
    finally:
        if os.getpid() == owner:  # a forked child that leaves this block is not the holder
            os.environ[TOKENS_VARIABLE] = before
            # On a disk that is read-only by now it would hide the error that ends the work.
            with suppress(OSError, NotReadable, MachineLimit):
                if _read_holder(root).get("token") == token:
                    (root / HELD_FILE).unlink(missing_ok=True)
                    os.pwrite(file, b" " * HOLDER_BYTES, 0)


def _write_holder(file: int, root: Path, holder: Holder) -> None:
    text = json.dumps(holder).encode().ljust(HOLDER_BYTES - 1) + b"\n"
    try:
        if os.pwrite(file, text, 0) < len(text):  # a limit of the process, or a full disk
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        os.ftruncate(file, len(text))  # what is no text of ours may be longer
        if (root / HELD_FILE).exists():
            other = open_plain(root / HELD_FILE, os.O_WRONLY | os.O_TRUNC)
            try:
                os.write(other, text)
            finally:
                os.close(other)
    except OSError as error:
        raise NotWritable(root, f"its lock cannot be written: {error.strerror}") from error


def _read_holder(root: Path) -> Holder:
    return _read_holder_file(root / HELD_FILE) or _read_holder_file(root / LOCK_FILE)


def _read_holder_file(path: Path) -> Holder:
    """The holder by a lock's text; nobody by a torn or damaged one: the kernel's lock is what counts. Raises NotReadable, MachineLimit."""
    refused: OSError | None = None
    for _ in range(2):
        try:
            holder: Holder = parse_json(read_plain(path, 8 * HOLDER_BYTES))
            HOLDER(holder)
        except (Unfit, FileNotFoundError):
            return {}
        except OSError as error:
            refused = error
        else:
            return holder
    if refused is not None:
        # Held by nobody that one could ask: to go on would be to write without it.
        raise_if_unreadable(path, refused)
    return {}


def _refuse_locked(root: Path, holder: Holder) -> RunLocked:
    way = "Wait for it, or stop it first."
    if holder and holder["host"] == socket.gethostname():
        way = f"Wait for it, or stop it first: kill {holder['process']}"
    elif holder or (root / HELD_FILE).exists():
        way = "Wait for it, or stop it there. If that machine is dead, add --break-lock."
    return RunLocked(root, describe_holder(holder), way)


def describe_holder(holder: Holder) -> str:
    """Who it is, in words."""
    if not holder:
        return "another process"
    return f"process {holder['process']} on {holder['host']} since {holder['since']}"
