"""storage/memory_guard.py: a process that gets no more memory ends with its line and code 4, and no other is touched."""

import signal
import subprocess
import sys
import time

import pytest

from storage import memory_guard
from tests.waiting import LONG

STUCK = """
import mmap, resource, sys, threading, time
from storage import memory_guard
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
guard = memory_guard.MemoryGuard(patience={patience}, tick=0.1)
guard.start()
assert memory_guard.is_limited() and not memory_guard.is_short()
{what}
while time.monotonic() < end:
    time.sleep(0.05)
    {then}
"""
END = "end = time.monotonic() + {seconds}"
ALL = "taken = []\nwhile not memory_guard.is_short(): taken.append(mmap.mmap(-1, 32 << 20))\n"
LIMBO = "thread = threading.Thread(); threading._limbo[thread] = thread\n"


@pytest.mark.parametrize(
    ("what", "then", "code", "patience", "seconds"),
    [
        (ALL, "pass", 4, 0.4, LONG),
        (LIMBO, "pass", 4, 0.4, LONG),
        (ALL, "guard.pulse()", 0, 3, 4),
        ("", "pass", 0, 0.4, 1),
    ],
    ids=["no memory", "a thread that never came up", "no memory and moving", "memory"],
)
def test_what_stands_still_without_memory_is_ended(
    what: str, then: str, code: int, patience: float, seconds: float
) -> None:
    """Also where somebody waits for a thread whose first step failed; what moves goes on, with little memory too, for longer than the patience."""
    if not sys.platform.startswith("linux"):
        pytest.skip("elsewhere address space has no limit")
    words = STUCK.format(what=what + END.format(seconds=seconds), then=then, patience=patience)
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=False, timeout=LONG
    )
    assert done.returncode == code, done.stderr
    assert ("The machine gives no more memory" in done.stderr) == (code == 4)


def test_a_signal_that_nobody_sent_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenBLAS raises SIGINT, for each thread that it cannot start; a person's comes later, or where there is memory."""
    monkeypatch.setattr(memory_guard, "_starved", None)
    assert not memory_guard.is_starved(signal.SIGINT)
    monkeypatch.setattr(memory_guard, "is_short", lambda: True)
    assert not memory_guard.is_starved(signal.SIGTERM)
    assert memory_guard.is_starved(signal.SIGINT)
    assert memory_guard.is_starved(signal.SIGINT)
    monkeypatch.setattr(memory_guard, "_starved", time.monotonic() - 2)
    assert not memory_guard.is_starved(signal.SIGINT)
