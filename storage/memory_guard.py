"""The end of a process that gets no more memory and stands still.

Where memory runs out below Python nothing is raised: a thread whose first step fails leaves the one who started it waiting for ever (CPython's
Thread.start), and OpenBLAS asks for its buffers without end. So somebody looks who was there before, needs nothing, and ends the process.
"""

import _thread
import mmap
import os
import resource
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from storage.errors import MachineLimit

ROOM = 64 << 20
"""Bytes that a process must still be able to take: a thread's stack and heap, a buffer of OpenBLAS."""
PATIENCE = 60.0
"""Seconds without a move, all of them without that room."""
LIBRARIES = 512 << 20
"""Bytes of address space for torch and what it loads; with less, C++ ends the process in the middle of it."""

_TICK = 2.0
_guard: "MemoryGuard | None" = None
_starved: float | None = None
STARVED = "a library could start none of its threads"


class MemoryGuard:
    """A thread that looks every two seconds whether a process that gets no more memory stands still, and then ends it."""

    def __init__(
        self, patience: float = PATIENCE, tick: float = _TICK, heartbeat: int | None = None
    ) -> None:
        """`heartbeat`: a pipe that gets a byte at each look, for one who waits outside."""
        self._patience, self._tick, self._heartbeat = patience, tick, heartbeat
        self._moved = time.monotonic()
        self._spare: bytearray | None = bytearray(1 << 20)  # for the last words
        self._line = f"longtake: {_memory_refused('a process that stood still')}\n".encode()

    def start(self) -> None:
        """Start the thread. Not by threading.Thread: its start waits for the thread."""
        _thread.start_new_thread(self._look_on, ())

    def pulse(self) -> None:
        """Note that something has moved."""
        self._moved = time.monotonic()

    def _look_on(self) -> None:
        while True:
            time.sleep(self._tick)
            try:
                self._beat()
                if not is_short() and not _has_limbo():
                    self._moved = time.monotonic()
                elif time.monotonic() - self._moved > self._patience:
                    self._end()
            except MemoryError:
                self._spare = None

    def _beat(self) -> None:
        if self._heartbeat is not None:
            with suppress(OSError):
                os.write(self._heartbeat, b".")

    def _end(self) -> None:
        try:
            self._spare = None
            os.write(2, self._line)
        finally:
            os._exit(MachineLimit.exit_code)


def start_guard(heartbeat: int | None = None) -> None:
    """Guard this process, once, if it has a limit; where there is none, the system itself ends who takes too much."""
    global _guard  # noqa: PLW0603 - one a process
    if _guard is None and (heartbeat is not None or is_limited()):
        guard = MemoryGuard(heartbeat=heartbeat)
        guard.start()
        _guard = guard


def pulse_guard() -> None:
    """Tell the guard of this process that something has moved, or that somebody else looks after it."""
    if _guard is not None:
        _guard.pulse()


def is_limited() -> bool:
    """True if memory is refused to this process from some size on."""
    limits = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    return any(limit != resource.RLIM_INFINITY for limit in limits) or _counts_strictly()


def is_short(room: int = ROOM) -> bool:
    """True if not even `room` bytes of memory can be had. Takes none of it, and 5 microseconds."""
    try:
        mmap.mmap(-1, room, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, MemoryError):
        return True
    return False


def is_starved(number: int) -> bool:
    """True if this SIGINT was sent by nobody: OpenBLAS raises it where it can start no thread. A later one is a person's in any case."""
    global _starved  # noqa: PLW0603 - one a process
    now = time.monotonic()
    if number != signal.SIGINT or now - (_starved or now) > 1 or not is_short():
        return False
    _starved = _starved or now
    return True


def require_libraries() -> None:
    """Raise MachineLimit where there is no room for torch, if it is still to be loaded."""
    if "torch" not in sys.modules and is_limited() and is_short(LIBRARIES):
        raise _memory_refused(f"{LIBRARIES >> 20} MB are needed for torch alone")


def _has_limbo() -> bool:
    """True if a thread was started and never came to its first step."""
    return any(thread.ident is None for thread in threading.enumerate())


def _memory_refused(why: str) -> MachineLimit:
    return MachineLimit("memory", why)


def _counts_strictly() -> bool:
    try:
        content = Path("/proc/sys/vm/overcommit_memory").read_text(encoding="ascii")
    except OSError:
        return False
    return content.strip() == "2"
