"""Two commands over one luigid: each film is made by one of them, and by the other where that one dies."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from luigid import serving

from storage.lock import find_local_holder
from tests.waiting import LONG, held, wait_until

from .conftest import Run, Start, Write, states_of


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A luigid that takes a worker for dead after a few seconds."""
    settings = {"worker_disconnect_delay": 6, "retry_delay": 2, "prune_on_get_work": True}
    with serving(tmp_path, **settings) as port:
        yield f"127.0.0.1:{port}"


def test_alone(table: Write, run_batch: Run) -> None:
    """With a scheduler of its own, two at once; one that fails holds up no other, and is tried again by the next command."""
    path = table({"num_clip": "1"}, {"prompt": "b"}, {"prompt": "c", "run": "c"})
    words = ("--engine", "luigi", "--jobs", "2", "--json", "--retries", "0")
    (path.parent / "denoise.2").write_text("6", encoding="utf-8")
    done = run_batch(path, *words, FAKE_FAIL=str(path.parent))
    states = states_of(done)
    assert (done.returncode, states[0], "failed" in states) == (9, "made", True), done.stderr
    reasons = [film["reason"] for film in json.loads(done.stdout)["films"] if film["reason"]]
    assert "Clip 2 failed 3 times while denoising" in reasons[0]
    done = run_batch(path, *words)
    assert (done.returncode, states_of(done)[0]) == (0, "there")


def test_command_is_killed(
    table: Write, batch: Start, run_batch: Run, address: str, tmp_path: Path
) -> None:
    """The other goes on with its film, and says that all are there."""
    path = table(*({"prompt": prompt} for prompt in "abcd"))
    runs = [tmp_path / f"runs/face-speech{more}" for more in ("", "-2", "-3", "-4")]
    words = ("--engine", "luigi", "--address", address, "--json")
    with held(tmp_path / "hold", "denoise", 1) as fakes:
        first = batch(path, *words, **fakes)
        wait_until((tmp_path / "hold/denoise.1.reached").exists, of=first)
        (mine,) = (run for run in runs if run.is_dir() and find_local_holder(run))
        second = batch(path, *words)
        others = [run for run in runs if run != mine]
        wait_until(lambda: all((run / "video.mp4").exists() for run in others), of=second)
        first.kill()
        first.communicate()
    out, err = second.communicate(timeout=LONG)
    assert second.returncode == 0, err
    assert [film["state"] for film in json.loads(out)["films"]] == ["made"] * 4


def test_no_luigid(table: Write, run_batch: Run) -> None:
    """An address that is none is refused before any film begins."""
    done = run_batch(table({}), "--engine", "luigi", "--address", ":x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "HOST:PORT of a luigid is needed" in done.stderr
