"""A NaN, an outlier channel and a single bit at random places are located by the command line: a few here, a hundred each in the slow one."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from trials import LIMIT, Trial, make_film, table, try_all

from storage.run import Run


def tried(folder: Path, clips: int, count: int) -> list[Trial]:
    run = make_film(folder, clips)
    shutil.copytree(run.root, folder / "other")
    return list(try_all(run, Run.open(folder / "other"), count, seed=clips))


def test_each_is_located(tmp_path: Path):
    """Stage, clip, block, step and channel, and of NaN and bits the very number; nothing else is found."""
    trials = tried(tmp_path, 8, 4)
    assert len(trials) == 12
    assert [each for each in trials if not each.located] == []


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_hundred_of_each_in_a_thousand_clips(tmp_path: Path):
    """100 of 100, each within 30 s."""
    trials = tried(tmp_path, 1000, 100)
    print(table(trials))
    assert [each for each in trials if not each.located or each.seconds > LIMIT] == []
