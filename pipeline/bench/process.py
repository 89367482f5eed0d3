"""A command in a process of its own: what it printed, how long it took, how much memory its whole tree held."""

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import TextIO

import psutil


@dataclass(frozen=True)
class FinishedCommand:
    """What a command that succeeded printed, and the time and memory that it took."""

    stdout: str
    begun: float
    """Time of day, seconds, when it was started."""
    seconds: float
    peak: int
    """The most bytes of memory (resident) that it and its children held at once."""


class CommandFailedError(RuntimeError):
    """A command failed; with the end of what it printed."""


def run_watched(command: Sequence[str], every: float = 0.05) -> FinishedCommand:
    """Run a command to its end; its tree's memory is looked at `every` so many seconds. Raises CommandFailedError."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
    ):
        begun, tick = time.time(), time.monotonic()
        process = subprocess.Popen(list(command), stdout=out, stderr=err)
        ended = Event()
        tree = ProcessTree(process.pid)
        watcher = Thread(target=tree.follow, args=(ended, every), daemon=True)
        watcher.start()
        # Sampled: the kernel's own peak of a child begins with what its parent held when it forked.
        process.wait()
        seconds = time.monotonic() - tick
        ended.set()
        watcher.join()
        if process.returncode:
            words = (
                f"{' '.join(command)} ended with {process.returncode}:\n{_read_text(err)[-4000:]}"
            )
            raise CommandFailedError(words)
        return FinishedCommand(_read_text(out), begun, seconds, tree.peak)


class ProcessTree:
    """A process and its children, and the most memory that they were seen to hold together."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self.peak = 0

    def follow(self, ended: Event, every: float) -> None:
        """Measure the tree's memory `every` so many seconds until `ended` is set."""
        while not ended.wait(every):
            self.peak = max(self.peak, self._bytes())

    def _bytes(self) -> int:
        try:
            family = [self._root, *self._root.children(recursive=True)]
            return sum(int(one.memory_info().rss) for one in family)
        except psutil.Error:  # one of them has just ended
            return 0


def _read_text(file: TextIO) -> str:
    file.seek(0)
    return file.read()
