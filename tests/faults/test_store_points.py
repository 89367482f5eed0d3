"""kill -9 at every write to the store, before it is sent and after it was answered; another machine goes on. The same bytes.

The store is a folder: what is tried is the order of the writes.
"""

import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from films import Film, Tally, Tree
from studio import Studio

from storage.remote.address import open_store
from storage.remote.store_follower import FILM

WHEN = ("before", "after")


@pytest.fixture(scope="module")
def expected(brief: Film, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The files of the film that nothing happens to."""
    return brief.make(tmp_path_factory.mktemp("brief"))


def die_at(studio: Studio, number: int, when: str, expected: Tree) -> tuple[bool, list[str]]:
    """Let one machine die at a write, and another end the film; whether it came so far, and what differs."""
    place = studio.place / f"{number:03d}{when}"
    place.mkdir()
    trial = replace(studio, place=place, url=f"file://{place}/bucket/film")
    status, said = trial.start("a", FAULT_STORE=f"{number}:{when}").end()
    assert status in {0, -signal.SIGKILL}, said
    ended, told = trial.start("b").end()
    assert ended == 0, told
    found = trial.judge(expected)
    film = open_store(trial.url).get(FILM)
    whole = (trial.root("b") / FILM).read_bytes()
    return status != 0, [*found, *([] if film and film.content == whole else [FILM])]


def try_points(studio: Studio, stride: int, expected: Tree, tally: Tally) -> None:
    """Every so many-th write, until the film has no more."""
    kills, differing = 0, []
    with ThreadPoolExecutor(2) as two:
        for first in range(1, 1000, 2 * stride):
            points = [(first, WHEN[0]), (first + stride, WHEN[1])]
            if stride == 1:
                points = [(number, when) for number in (first, first + 1) for when in WHEN]
            trials = [two.submit(die_at, studio, *point, expected) for point in points]
            ends = [trial.result() for trial in trials]
            kills += sum(hit for hit, _ in ends)
            differing += [point for point, (_, found) in zip(points, ends, strict=True) if found]
            if not any(hit for hit, _ in ends):
                break
    tally(kills=kills, differing=len(differing), by_hand=0)
    assert kills > 60 // stride
    assert differing == []


@pytest.mark.slow
def test_some_writes(brief: Film, expected: Tree, tmp_path: Path, tally: Tally) -> None:
    """Every fifteenth, before and after in turn."""
    try_points(Studio(brief, {}, tmp_path, ""), 15, expected, tally)


@pytest.mark.slow
@pytest.mark.timeout(5000)
def test_every_write(brief: Film, expected: Tree, tmp_path: Path, tally: Tally) -> None:
    """Before and after each of them."""
    try_points(Studio(brief, {}, tmp_path, ""), 1, expected, tally)
