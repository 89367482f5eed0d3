"""Waiting in tests: for what must come, however busy the machine is, and never for a time."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

LONG = 240.0
"""Seconds after which what has not come is not coming; pytest's own limit is 300."""


def wait_until(
    there: Callable[[], object], *, of: "subprocess.Popen[str] | None" = None, every: float = 0.01
) -> None:
    """Until `there()` is true; fails if it never is, or when the process that it is expected of has ended without it."""
    end = time.monotonic() + LONG
    while not there():
        ended = of is not None and of.poll() is not None
        assert not ended or there(), of and of.communicate()
        assert time.monotonic() < end, "it never came"
        time.sleep(every)


def holds(path: Path, text: str) -> bool:
    """Whether the file is there and has this text."""
    return path.exists() and text in path.read_text(encoding="utf-8", errors="replace")
