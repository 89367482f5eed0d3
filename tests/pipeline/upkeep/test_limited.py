"""pipeline/upkeep/limited.py: a command whose memory has a limit ends, whatever its process does, with a line and a code of ours."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import LONG, wait_until

ROOT = Path(__file__).parents[3]
PROGRAM = """
import ctypes, functools, os, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
from storage import memory_guard
memory_guard.MemoryGuard = functools.partial(memory_guard.MemoryGuard, tick=0.2)
from pipeline.upkeep.limited import run_limited
code = run_limited(sys.argv[1:], patience=4.0)
if code is not None:
    sys.exit(code)
print(os.getpid(), flush=True)
if sys.argv[1] == "spin":
    ctypes.PyDLL(None).sleep(600)  # with Python's own lock, as a library that is loaded
if sys.argv[1] == "abort":
    os.abort()
if sys.argv[1] == "wait":
    time.sleep(600)
time.sleep(5)
sys.exit(3)
"""


@pytest.fixture
def program(tmp_path: Path) -> list[str]:
    """A command that limits itself; what it does is its last word."""
    if not sys.platform.startswith("linux"):
        pytest.skip("elsewhere address space has no limit")
    (tmp_path / "program.py").write_text(PROGRAM)
    return [sys.executable, str(tmp_path / "program.py")]


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [("spin", 4, "no sign of life for 4 s"), ("abort", 4, "SIGABRT"), ("well", 3, "")],
)
def test_a_process_that_cannot_end_by_itself_is_ended(
    program: list[str], what: str, code: int, said: str
) -> None:
    """One that holds Python's lock, one that C++ aborts; that of one that is well is its own, however long it takes."""
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*program, what], env=there, capture_output=True, text=True, check=False, timeout=LONG
    )
    assert (done.returncode, said in done.stderr) == (code, True)
    assert done.stderr.count("longtake: ") == (code == 4)
    assert not Path(f"/proc/{done.stdout.strip()}").exists()


def test_a_signal_reaches_the_child(program: list[str]) -> None:
    """And neither stays."""
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([*program, "wait"], env=there, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        child = one.stdout.readline().strip()
        one.send_signal(signal.SIGTERM)
        assert one.wait(LONG) == 143
    wait_until(lambda: not Path(f"/proc/{child}").exists())
