"""A film of several ranks, one of which is killed, stopped or let go on at random instants: the same bytes, no process left, and its end within half a minute."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from films import ROOT, Tally

FILM = ["examples/mila.png", "examples/harbour.wav", "--size", "64*64", "--num-clip", "6", "--carry-every", "1"]  # fmt: skip
WAYS = [("2", "steps"), ("2", "layers"), ("3", "steps"), ("3", "layers"), ("4", "steps")]
THERE = {**os.environ, "LONGTAKE_RANK_LIMIT": "6", "OMP_WAIT_POLICY": "passive"}
MOST_TRIES = 60
SECONDS = 30.0
"""From the fault until all processes have ended."""


def start(film: Path, *more: str, of: Sequence[str] = FILM) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "pipeline", "new", *of, "--run", str(film), *more]
    return subprocess.Popen(words, cwd=ROOT, env=THERE, stderr=subprocess.DEVNULL)


def pieces(film: Path) -> dict[str, bytes]:
    folders = [film / name for name in ("segments", "latents", "steps")]
    paths = [film / "video.mp4", *(path for folder in folders for path in folder.rglob("c.*"))]
    return {str(path.relative_to(film)): path.read_bytes() for path in paths}


def harm_one(worker: "subprocess.Popen[bytes]", chance: random.Random) -> float | None:
    """Kill (or, of the others, stop) one of the ranks; seconds until all have ended. None where the film is done."""
    if worker.poll() is not None:
        return None
    try:
        family = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children()]
    except psutil.NoSuchProcess:
        return None
    victim = chance.choice(family)
    if victim.pid != worker.pid and chance.random() < 0.25:
        victim.suspend()
    else:
        victim.kill()
    begun = time.monotonic()
    worker.wait(60)
    _, alive = psutil.wait_procs(family[1:], 30)
    assert not alive, "a rank is left"
    return time.monotonic() - begun


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(4))
def test_any_rank_may_die_at_any_time(seed: int, tmp_path: Path, tally: Tally) -> None:
    """Eleven faults a film, each time another number of ranks, until it is left alone."""
    whole, film, chance = tmp_path / "whole" / "film", tmp_path / "film", random.Random(seed)
    assert start(whole).wait() == 0
    faults, longest = 0, 0.0
    for _ in range(MOST_TRIES):
        gpus, way = chance.choice(WAYS)
        worker = start(film, "--gpus", gpus, "--parallel", way)
        if faults >= 11:
            assert worker.wait() == 0
            break
        time.sleep(chance.uniform(1, 9))
        if (seconds := harm_one(worker, chance)) is not None:
            faults, longest = faults + 1, max(longest, seconds)
        elif worker.wait() == 0:
            shutil.rmtree(film)  # done too soon
    differing = sum(pieces(film).get(name) != held for name, held in pieces(whole).items())
    tally(faults=faults, differing=differing, seconds_to_end=round(longest, 1))
    assert faults >= 11
    assert not differing
    assert longest < SECONDS
