"""The films of a table over a real luigid: several workers share them, and where one dies another goes on."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from luigid import page, serving

from storage.errors import BadTable
from storage.lock import find_local_holder
from tasks.film_batch import Batch, Film, film_is_there
from tasks.request import Request
from tests import forked
from tests.waiting import LONG, held, wait_until

TESTS = Path(__file__).parents[1]
Ask = Callable[..., Request]


@pytest.fixture
def table(ask: Ask, tmp_path: Path) -> Path:
    """Four films of three clips."""
    request = ask(seconds=1.44)
    rows = "".join(f"face.png,{request.audio.name},12,{prompt}\n" for prompt in "abcd")
    path = tmp_path / "films.csv"
    path.write_text(f"image,audio,infer_frames,prompt\n{rows}", encoding="utf-8")
    return path


@pytest.fixture
def luigid(tmp_path: Path) -> Iterator[int]:
    """A scheduler that takes a worker for dead after a few seconds, and gives out twice what has failed; its port."""
    settings = {
        "worker_disconnect_delay": 6,
        "retry_delay": 2,
        "retry_count": 2,
        "prune_on_get_work": True,
    }
    with serving(tmp_path, **settings) as port:
        yield port


def start_worker(task: str, table: Path, port: int, **more: str) -> subprocess.Popen[bytes]:
    """Luigi's command line, which waits for films that others are at."""
    words = [task, "--table", str(table), "--scheduler-host", "127.0.0.1"]
    words += ["--scheduler-port", str(port), "--worker-keep-alive", "--worker-ping-interval", "1"]
    # Else Luigi takes the second for the first, started twice.
    words += ["--no-lock"]
    return forked.Popen(
        [sys.executable, str(TESTS / "fake_luigi.py"), *words],
        env={**os.environ, **more},
        cwd=TESTS.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def runs_of(table: Path) -> list[Path]:
    """The folders of the films, by the table's order."""
    return [Path(run) for _, run in Batch(table=str(table)).films]


def is_made(run: Path) -> bool:
    """Whether the records of a run say that its film is there."""
    return film_is_there(str(run))


@pytest.mark.slow
def test_workers_share_a_table(luigid: int, table: Path, tmp_path: Path) -> None:
    """One is killed in the middle of a film: the other makes all that is missing, and no clip of what was finished again."""
    with held(tmp_path / "hold", "denoise", 1) as fakes:
        first = start_worker("Batch", table, luigid, **fakes)
        wait_until((tmp_path / "hold/denoise.1.reached").exists, of=first)
        second = start_worker("Batch", table, luigid)
        (mine,) = (run for run in runs_of(table) if run.is_dir() and find_local_holder(run))
        others = [run for run in runs_of(table) if run != mine]
        wait_until(lambda: all(map(is_made, others)), of=second, every=0.1)
        first.kill()
        first.wait()
    assert second.wait(LONG) == 10, "Luigi's code for what another worker was at meanwhile"
    assert all(map(is_made, runs_of(table)))
    for run in runs_of(table):
        events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
        starts = sum(each["event"] == "run_started" for each in events)
        assert starts == (2 if run == mine else 1), run
    done = page(luigid, "task_list", status="DONE", upstream_status="")
    assert sum(task["name"] == "Film" for task in done.values()) == 4


def test_film_that_cannot_be_made_holds_up_no_other(luigid: int, table: Path) -> None:
    """The worker ends with Luigi's code for a task that failed, once it has failed as often as luigid allows."""
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    some = "".join([*lines[:2], lines[2].replace("face", "nowhere"), lines[3]])
    table.write_text(some, encoding="utf-8")
    assert start_worker("Batch", table, luigid).wait(LONG) == 30
    assert [is_made(run) for run in runs_of(table)] == [True, False, True]


def test_one_film_of_a_table(luigid: int, table: Path) -> None:
    """`Film --line 3` makes the second film, and is complete by its records alone."""
    words = [sys.executable, str(TESTS / "fake_luigi.py"), "Film", "--table", str(table)]
    words += ["--line", "3", "--local-scheduler"]
    done = forked.run(words, cwd=TESTS.parent, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    runs = runs_of(table)
    assert [is_made(run) for run in runs] == [False, True, False, False]
    film = Film(table=str(table), line=3)
    assert film.complete()
    (runs[1] / "commits/segment.00001.json").unlink()
    assert not film.complete()
    with pytest.raises(BadTable, match=r"films\.csv:7 cannot be used: no film begins there"):
        Film(table=str(table), line=7).complete()
