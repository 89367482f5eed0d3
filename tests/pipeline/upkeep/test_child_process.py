"""No process of ours outlives the one that started it, and what a killed command left is swept by the next."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pipeline.upkeep.child_process import code_command, module_command
from tests.waiting import LONG

ROOT = Path(__file__).parents[3]
PARENT = """
import subprocess, sys, threading, time
from pipeline.upkeep.child_process import tie_to_parent
with tie_to_parent() as tether:
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], **tether)
    print(child.pid, flush=True)
    {then}
time.sleep(600)
"""
CHILD = """
import sys, time
{first}
from pipeline.upkeep.child_process import follow_parent
follow_parent()
{then}
"""
BUSY = "import re; re.match(r'(a+)+$', 'a' * 64 + 'b')"
"""Holds the interpreter's lock for ever: no thread of its own can end it."""


@pytest.mark.parametrize(
    "words",
    [
        module_command("pipeline", "--version"),
        code_command("import json, storage.errors, pipeline.cli; print('longtake')"),
    ],
)
def test_files_of_the_working_directory_are_not_imported(words: list[str], tmp_path: Path) -> None:
    """Whatever Python files lie where a person stands: a child of ours takes its modules from where its parent has them."""
    for name in ("pipeline", "tasks", "storage", "model", "json", "luigi", "torch", "av"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('theirs')")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "longtake" in done.stdout


def ended(process: psutil.Process, seconds: float = LONG) -> bool:
    """Whether it does nothing any more by then; nobody may have asked how it ended."""
    end = time.monotonic() + seconds
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > end:
            process.kill()
            return False
        time.sleep(0.05)
    return True


def family(parent: str, child: str) -> "tuple[subprocess.Popen[str], psutil.Process]":
    """A process and its child."""
    words = [sys.executable, "-c", parent, child]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, psutil.Process(int(process.stdout.readline()))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("sys.platform = 'darwin'", "time.sleep(600)"),
        pytest.param("", BUSY, marks=pytest.mark.skipif(sys.platform != "linux", reason="prctl")),
    ],
    ids=["pipe", "kernel"],
)
def test_a_child_ends_with_its_parent(first: str, then: str) -> None:
    """Killed outright: by the pipe alone, as on macOS, and by the kernel where no thread of the child can run."""
    parent, child = family(PARENT.format(then=""), CHILD.format(first=first, then=then))
    time.sleep(1)
    assert child.is_running()
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert ended(child)


def test_a_child_that_nobody_waits_for_ends_with_the_work() -> None:
    """The parent lives on, and has left what it had started it for."""
    then = "time.sleep(1)"
    parent, child = family(PARENT.format(then=then), CHILD.format(first="", then="time.sleep(600)"))
    there = ended(child)
    parent.kill()
    parent.communicate()
    assert there


def test_a_killed_plan_leaves_nobody_and_the_next_sweeps(tmp_path: Path, speech: Path) -> None:
    """`kill -9` while it rehearses: the rehearsal ends, its folder is gone with the next command."""
    small = ["--size", "64*64", "--sample-steps", "1", "--infer-frames", "12", "--run", "runs/x"]
    (tmp_path / "runs").mkdir()
    picture = ROOT / "examples" / "mila.png"
    words = [sys.executable, "-m", "pipeline", "plan", str(picture), str(speech), *small]
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    plan = subprocess.Popen([*words, "--rehearse", "yes"], cwd=tmp_path, env=there)
    children = wait_for(
        lambda: [
            each
            for each in psutil.Process(plan.pid).children()
            if list(tmp_path.glob("runs/.longtake-plan.*/run"))
        ]
    )
    plan.kill()
    plan.wait()
    assert all(ended(each) for each in children)
    assert list(tmp_path.glob("runs/.longtake-plan.*"))
    subprocess.run(
        [*words, "--rehearse", "no"], cwd=tmp_path, env=there, check=True, capture_output=True
    )
    assert not list(tmp_path.glob("runs/.longtake*"))


def wait_for(look: Callable[[], "list[psutil.Process]"]) -> "list[psutil.Process]":
    """What it gives, once that is something."""
    end = time.monotonic() + LONG
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found
