"""Waiting in tests: for what must come, however busy the machine is, and never for a time."""

import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LONG = 240.0
"""Seconds after which what has not come is not coming; pytest's own limit is 600."""


def wait_until(
    there: Callable[[], object], *, of: "subprocess.Popen[Any] | None" = None, every: float = 0.01
) -> None:
    """Until `there()` is true; fails if it never is, or when the process that it is expected of has ended without it."""
    end = time.monotonic() + LONG
    while not there():
        ended = of is not None and of.poll() is not None
        assert not ended or there(), of and of.communicate()
        assert time.monotonic() < end, "it never came"
        time.sleep(every)


@contextmanager
def held(folder: Path, stage: str, clip: int) -> Iterator[dict[str, str]]:
    """The environment of a film of the fake model that comes no further than this stage of this clip meanwhile."""
    folder.mkdir(exist_ok=True)
    gate = folder / f"{stage}.{clip}"
    gate.touch()
    try:
        yield {"FAKE_HOLD": str(folder)}
    finally:
        gate.unlink(missing_ok=True)


def processor_seconds() -> float:
    """What all children that have ended took of the processor, whoever else wanted it."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def holds(path: Path, text: str) -> bool:
    """Whether the file is there and has this text."""
    return path.exists() and text in path.read_text(encoding="utf-8", errors="replace")
