"""The run's lock: one process tree at a time works on a run.

The kernel's lock (flock) on run.lock decides, so a dead holder holds nothing. The text in the file only names the holder, and lets its children in:
they find its token in their environment.
"""

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from storage.errors import NotWritable, RunLocked

NAME = "run.lock"
TOKENS = "LONGTAKE_LOCKS"

Holder = dict[str, str | int]


@contextmanager
def lock(root: Path) -> Iterator[None]:
    """Hold a run's lock. A child process of the holder (and the holder itself, again) may enter; a dead holder's lock is taken over.

    Raises RunLocked, which names host, process and since when.
    """
    file = _opened(root)
    try:
        if _taken(file, root):
            with _named(file):
                yield
        elif held(root):
            yield
        else:
            raise RunLocked(root, _describe(_holder(root)))
    finally:
        # Closed, never unlocked: an unlock would also end the lock of a forked child that is still at work.
        os.close(file)


def held(root: Path) -> bool:
    """True if this process, or the one it descends from, holds the run's lock."""
    return _holder(root).get("token") in os.environ.get(TOKENS, "").split()


def worker(root: Path) -> str | None:
    """Who works on the run, by the lock's text; None where nobody does. Locks nothing, so that looking never stops a start."""
    holder = _holder(root)
    if not holder or (
        holder["host"] == socket.gethostname() and not _alive(int(holder["process"]))
    ):
        return None
    return _describe(holder)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _opened(root: Path) -> int:
    try:
        return os.open(root / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise NotWritable(root, error.strerror) from error


def _taken(file: int, root: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise NotWritable(root, f"it cannot be locked: {error.strerror}") from error
    return True


@contextmanager
def _named(file: int) -> Iterator[None]:
    token, owner = secrets.token_hex(8), os.getpid()
    now = datetime.now(UTC).isoformat(" ", "seconds")
    _put(file, {"host": socket.gethostname(), "process": owner, "since": now, "token": token})
    before = os.environ.get(TOKENS, "")
    os.environ[TOKENS] = f"{before} {token}".strip()
    try:
        yield
    finally:
        if os.getpid() == owner:  # a forked child that leaves this block is not the holder
            os.environ[TOKENS] = before
            os.ftruncate(file, 0)


def _put(file: int, holder: Holder) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(holder).encode() + b"\n", 0)


def _holder(root: Path) -> Holder:
    try:
        holder: Holder = json.loads((root / NAME).read_text())
    except (OSError, ValueError):
        return {}
    # A torn or damaged text names nobody; the kernel's lock is what counts.
    known = isinstance(holder, dict) and {"host", "since", "token"} <= holder.keys()
    return holder if known and isinstance(holder.get("process"), int) else {}


def _describe(holder: Holder) -> str:
    if not holder:
        return "another process"
    return f"process {holder['process']} on {holder['host']} since {holder['since']}"
