"""A call of the system that fails once while libav's files are made, those of Python and those of libav alike: never anything torn, and the next command gives the same bytes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from films import ROOT, TESTS, Film, Tally, differing, is_plain


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """failing_calls.c as a library, where it can be made and loaded."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("failing calls need Linux and a C compiler")
    path = tmp_path_factory.mktemp("shim") / "failing_calls.so"
    source = str(TESTS / "faults" / "failing_calls.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(path), source, "-ldl"], check=True)
    return path


def check(shim: Path, film: Film, folder: Path, tally: Tally, *, where: str, stride: int) -> None:
    """Soundtrack, segment, film, partial film and part: tests/faults/single_faults.py."""
    program = str(TESTS / "faults" / "single_faults.py")
    words = [str(each) for each in (film.image, film.audio, folder, where, stride)]
    there = {**os.environ, "LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, program, *words],
        cwd=ROOT,
        env=there,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert not found["wrong"], done.stdout
    tally(tried=found["tried"], went_on=found["went on"], told=found["told"], differing=0)


def test_some_calls_that_fail_once(shim: Path, brief: Film, tmp_path: Path, tally: Tally) -> None:
    """Every 20th lseek, write, close, fsync and rename of what is being written, with EIO or ENOSPC."""
    check(shim, brief, tmp_path, tally, where="drafts", stride=20)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("where", "stride"), [("drafts", 1), ("all", 15)])
def test_every_call_that_fails_once(
    shim: Path, brief: Film, tmp_path: Path, tally: Tally, *, where: str, stride: int
) -> None:
    """Each of them with both, and every 15th of those on any file of the run, those that are read too."""
    check(shim, brief, tmp_path, tally, where=where, stride=stride)


LIMITS = ["FSIZE:600", "FSIZE:20000", "NOFILE:9", "NOFILE:12"]


def limited(film: Film, place: Path, limit: str, tally: Tally) -> None:
    """The machine's line or the disk's, with its code; without the limit the same command ends it."""
    whole = film.make(place / "whole")
    status, said = film.start("longtake", place / "limited", FAULT_LIMIT=limit).end()
    assert status in (4, 5), said
    assert is_plain(said, place / "limited" / "film") or "The machine gives no more" in said, said
    assert not differing(film.make(place / "limited"), whole)
    tally(tried=1, differing=0)


def test_a_file_may_not_grow(brief: Film, tmp_path: Path, tally: Tally) -> None:
    """As `ulimit -f`: not for the copy of the sound."""
    limited(brief, tmp_path, LIMITS[1], tally)


@pytest.mark.slow
@pytest.mark.parametrize("limit", LIMITS)
def test_limits_of_a_process(limit: str, brief: Film, tmp_path: Path, tally: Tally) -> None:
    """Of the length of a file and of open files, where little works and where nearly all does."""
    limited(brief, tmp_path, limit, tally)
