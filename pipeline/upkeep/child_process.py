"""Processes of ours that end when the one that started them does, however that ends: nothing goes on working for nobody.

The parent holds the one end of a pipe, which the kernel closes with it; the child watches the other. On Linux the kernel sends the signal itself, too,
where a child is busy in a library and its threads do not get to run.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from types import FrameType
from typing import Any

from storage.errors import FilmNotMade, LongtakeError

VARIABLE = "LONGTAKE_PARENT"
_SET_DEATH_SIGNAL, _SET_NAME = 1, 15
"""PR_SET_PDEATHSIG and PR_SET_NAME of prctl(2)."""
_LOOK_EVERY = 1.0
"""Seconds between two looks whether the parent is there, where no kernel tells."""


@contextmanager
def tie_to_parent(end: signal.Signals = signal.SIGKILL) -> Iterator[dict[str, Any]]:
    """Options of `subprocess` for a child that calls `follow_parent`: it gets this signal when this process, or this block, ends before it.

    Not for a thread that ends before the child: on Linux that counts as the end of the parent.
    """
    read, held = os.pipe()
    words = f"{os.getpid()} {read} {int(end)}"
    try:
        yield {"env": {**os.environ, VARIABLE: words}, "pass_fds": (read,)}
    finally:
        os.close(held)
        os.close(read)


@contextmanager
def signals_to(forward: Callable[[int], None]) -> Iterator[None]:
    """Call `forward` with SIGINT and SIGTERM meanwhile, for one who passes them on to a child."""

    def handle(number: int, _frame: FrameType | None) -> None:
        forward(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_if_failed(done: "CompletedProcess[str]", before: str = "") -> None:
    """Raise FilmNotMade with the last line that a longtake said, and its exit code, unless it ended well; `before` stands before the line."""
    if done.returncode:
        line = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        code = done.returncode if done.returncode > 0 else LongtakeError.exit_code
        raise FilmNotMade(before + line.removeprefix("longtake: "), code)


def read_last_line(log: Path) -> str:
    """The last line of longtake's own in what a process said into a file; empty if there is none."""
    try:
        with log.open("rb") as said:
            said.seek(max(0, said.seek(0, os.SEEK_END) - 65536))
            lines = said.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    own = [line for line in lines if line.startswith("longtake: ")]
    return own[-1].removeprefix("longtake: ") if own else ""


def follow_parent() -> None:
    """Let this process end with its parent, if that started it in `tie_to_parent`. Called before any work."""
    words = os.environ.pop(VARIABLE, "").split()
    if len(words) != 3:
        return
    parent, read, end = map(int, words)
    os.set_inheritable(read, False)
    if sys.platform == "linux":
        _ask_kernel(parent, end)
    threading.Thread(target=_end_with_parent, args=(read, end), name="parent", daemon=True).start()


def end_with_process(parent: int) -> None:
    """Let this process get SIGTERM when its parent ends, which has this number and started it without a pipe."""
    if sys.platform == "linux":
        _ask_kernel(parent, signal.SIGTERM)
    else:
        threading.Thread(target=_watch_parent, args=(parent,), name="parent", daemon=True).start()


def _ask_kernel(parent: int, end: int) -> None:
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, end, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os.kill(os.getpid(), end)


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)


def name_process(name: str) -> None:
    """Let `ps -o comm` and `top` show this name, its first 15 letters; a forked process has its parent's command line."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_NAME, name.encode()[:15], 0, 0, 0)


def _end_with_parent(read: int, end: int) -> None:
    os.read(read, 1)  # nothing is ever written: it returns when the other end is closed
    os.kill(os.getpid(), end)


def code_command(code: str, *words: str) -> list[str]:
    """The command line of a Python process that runs this code, which finds our packages and imports nothing out of the working directory."""
    start = f"import sys; sys.path.append({str(Path(__file__).parents[2])!r}); {code}"
    return [sys.executable, "-P", "-c", start, *words]


def module_command(module: str, *words: str) -> list[str]:
    """The command line that runs a module of ours as `python -m` does, but for the working directory."""
    run = f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return code_command(run, *words)


def restart_command(words: Sequence[str], asked: Sequence[str]) -> list[str]:
    """The command line that starts this program with other words, by the door it was started by (`longtake`, `python -m pipeline`); `asked` are the words it was started with."""
    original = sys.orig_argv
    own = original[: len(original) - len(asked)]
    if not asked or original[len(own) :] != list(asked):
        return module_command("pipeline", *words)
    return [sys.executable, *own[1:], *words]
