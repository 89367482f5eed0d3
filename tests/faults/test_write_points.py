"""kill -9 before every single step that the disk sees, of a whole film through the tasks."""

import json
import sys
from pathlib import Path

import pytest
from films import ROOT, TESTS, Film, Tally

from tests import forked

KINDS = ["create", "dirsync", "fsync", "mkdir", "rename", "unlink", "write"]


def forks(verb: str, film: Film, folder: Path, *words: object) -> dict[str, int]:
    """What tests/faults/forks.py found; what it says is shown where a test fails."""
    folder.mkdir()
    paths = [str(each) for each in (film.image, film.audio, folder)]
    command = [sys.executable, str(TESTS / "faults" / "forks.py"), verb, *paths, *map(str, words)]
    done = forked.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def kill_points(film: Film, folder: Path, stride: int, order: str) -> dict[str, int]:
    """Kills, repairs by hand, films that differ."""
    found = forks("points", film, folder / "points", stride, order)
    assert found["kinds"] == (sorted([*KINDS, "link"]) if order == "retake" else KINDS)
    kills, by_hand, differing = (found.get(k, 0) for k in ("killed", "by_hand", "differing"))
    assert (by_hand, differing) == (0, 0)
    assert kills >= 0.98 * found["tried"], "the frames' thread may save a step"
    return {"steps": found["steps"], "kills": kills, "by_hand": by_hand, "differing": differing}


def test_killed_before_some_steps(brief: Film, tmp_path: Path, tally: Tally) -> None:
    """Every 90th step of making a film: the same bytes, and nothing by hand."""
    tally(**kill_points(brief, tmp_path, 90, "online"))


def test_a_retake_killed_before_some_steps(brief: Film, tmp_path: Path, tally: Tally) -> None:
    """Every 60th step of linking what a retake shares, of making its clips and of going back to the old film: the same."""
    tally(**kill_points(brief, tmp_path, 60, "retake"))


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("order", "stride"), [("online", 1), ("offline", 3), ("motion", 3), ("retake", 1)]
)
def test_killed_before_every_step(
    brief: Film, tmp_path: Path, tally: Tally, order: str, stride: int
) -> None:
    """Every step of every stage; every third of a film decoded last, and of a model that takes only motion from clip to clip; every one of a retake."""
    tally(**kill_points(brief, tmp_path, stride, order))
