"""Ctrl-C and SIGTERM: the first lets the current write end, the second ends the process at once."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from storage.memory_guard import STARVED, is_starved


class Stopped(
    KeyboardInterrupt
):  # a KeyboardInterrupt, as nothing else passes through Luigi's worker
    """The first signal has come, and the work is between two writes."""


class StopFlag:
    """Whether a signal has come; asked between two pieces of work."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._at_once = False

    def raise_if_stopped(self) -> None:
        """Raise Stopped if a signal has come."""
        if self.signal is not None:
            raise Stopped(self.signal.name)

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until a signal comes."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.raise_if_stopped()
            time.sleep(min(left, 0.1))

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A signal ends this where it is: for what takes long and leaves nothing half-done. Main thread only; elsewhere it changes nothing."""
        self.raise_if_stopped()
        self._at_once = threading.current_thread() is threading.main_thread()
        try:
            yield
        finally:
            self._at_once = False

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if is_starved(number):
            raise MemoryError(STARVED)
        if self.signal is not None:
            # Nothing is lost by it: whatever is half-written is a draft.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.signal = signal.Signals(number)
        if self._at_once:
            self.raise_if_stopped()


@contextmanager
def handle_signals() -> Iterator[StopFlag]:
    """Take SIGINT and SIGTERM in hand meanwhile; outside the main thread nothing can, and nothing is."""
    stop = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {
        number: signal.signal(number, stop._handle) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
