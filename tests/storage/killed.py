"""Make the small film's run in child processes, each killed (SIGKILL) at another step, and finish it; say what differs.

python killed.py FOLDER STRIDE: forks, so it runs apart from the tests' own process.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from small_film import content, make_start

import storage.store  # noqa: F401 - once, before the forks
from storage import publish
from storage.run import Run


def work(root: Path) -> None:
    """Every kind of writing there is; done again, it finishes what is left."""
    run = Run.create(root, make_start(root.parent))
    with run.lock():
        run.sweep()
        once(run)
        for clip in range(3):
            make_clip(run, clip)
        run.update_settings(replace(run.settings, ahead=3), {"ahead": "flag"})


def once(run: Run) -> None:
    if not run.inputs.complete():
        run.inputs.publish(
            {"reference": np.ones((3, 2), np.float32), "prompt": np.zeros(4, np.uint16)}
        )
    if not run.sound.complete():
        run.sound.publish([np.ones(1000, np.float32)])


def make_clip(run: Run, clip: int) -> None:
    for name in ("latents", "frames"):
        array = getattr(run, name)
        if not run.records.read(name, clip):
            array.publish(clip, content(run, name, clip))
    run.carry.publish(clip + 1, [("ring", np.full((2, 2), clip, np.float32))])
    if clip and run.frames.complete(clip - 1):
        run.frames.remove(clip - 1, remake="longtake resume")


def child(act: Callable[[], None]) -> int:
    """Act in a forked child; how it ended."""
    pid = os.fork()
    if not pid:
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def work_until(root: Path, step: int, seen: Path) -> None:
    left = [step]

    def count(name: str, path: Path) -> None:
        left[0] -= 1
        with seen.open("a") as file:
            file.write(f"{name}\n")
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    publish.kill_point = count
    work(root)


def tree(root: Path) -> dict[str, bytes]:
    """Every file of a run but its lock, by its path."""
    paths = [path for path in root.rglob("*") if path.is_file() and path.name != "run.lock"]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def main(base: Path, stride: int) -> None:
    whole, seen = base / "whole" / "run", base / "seen"
    whole.parent.mkdir()
    assert child(lambda: work_until(whole, 10**9, seen)) == 0
    expected, steps = tree(whole), len(seen.read_text().splitlines())
    killed = differing = 0
    for step in range(0, steps, stride):
        root = base / f"at-{step}" / "run"
        root.parent.mkdir()
        killed += (
            child(lambda root=root, step=step: work_until(root, step, seen)) == -signal.SIGKILL
        )
        assert child(lambda root=root: work(root)) == 0, f"step {step}: not resumed"
        if tree(root) != expected:
            differing += 1
            print(f"step {step}: other bytes")
        shutil.rmtree(root.parent)
    kinds = sorted(set(seen.read_text().split()))
    print(f"steps={steps} killed={killed} differing={differing} kinds={','.join(kinds)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
