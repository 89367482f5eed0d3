"""kill -9 at random instants, until the film is done: the same bytes, and nothing is ever mended by hand."""

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from films import DOORS, Film, Tally, Tree, differing, running

SLOW = {"FAKE_DENOISE": "0.015", "FAKE_DECODE": "0.015"}
MOST_TRIES = 60


@dataclass
class Fate:
    """What one film went through."""

    kills: int
    by_hand: int
    differing: list[str]


def suffer(film: Film, place: Path, kills: int, seed: int) -> Fate:
    """Make the film through either door in turn, killed so many times, and at last left alone."""
    chance, hits = random.Random(seed), 0
    for attempt in range(MOST_TRIES):
        more = {} if film.shipped else SLOW
        with running(film.start(DOORS[(attempt + seed) % 2], place, **more)) as started:
            if hits < kills:
                wait(started, place / "film", chance, film.shipped)
                started.kill()
            status, said = started.end()
        if status == 0:
            return Fate(hits, 0, [])
        if status != -signal.SIGKILL:
            print(f"seed {seed}: status {status}: {said[-2000:]}")
            return Fate(hits, 1, [])
        hits += 1
    return Fate(hits, 1, [])


def wait(started, root: Path, chance: random.Random, shipped: bool) -> None:
    """Until a random instant: of the whole life of a process, or shortly after some record."""
    if chance.random() < 0.4:
        time.sleep(chance.random() * (5 if shipped else 1.5))
    else:
        started.wait_for(root, chance.randrange(1, 8))
        time.sleep(chance.random() * 0.03)


def suffer_all(
    film: Film, expected: Tree, folder: Path, films: int, kills: int
) -> tuple[int, int, int]:
    """Several films, two at a time; kills, repairs by hand, files that differ."""
    from films import tree

    seed = random.randrange(1 << 30)

    def one(number: int) -> Fate:
        place = folder / f"{number:03d}"
        fate = suffer(film, place, kills, seed + number)
        fate.differing = differing(tree(place / "film"), expected)
        if fate.differing or fate.by_hand:
            print(f"seed {seed + number}: {fate}")
        return fate

    with ThreadPoolExecutor(2) as two:
        fates = list(two.map(one, range(films)))
    return (
        sum(fate.kills for fate in fates),
        sum(fate.by_hand for fate in fates),
        sum(len(fate.differing) for fate in fates),
    )


def test_killed_anywhere_it_ends_in_the_same_bytes(
    film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """Two films, each killed four times, through both doors in turn: every file of the run is that of the unbroken film."""
    kills, by_hand, other = suffer_all(film, unbroken, tmp_path, 2, 4)
    tally(kills=kills, by_hand=by_hand, differing=other)
    assert (by_hand, other) == (0, 0)
    assert kills >= 5


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_five_hundred_kills(film: Film, unbroken: Tree, tmp_path: Path, tally: Tally) -> None:
    """Sixty films, each killed up to fourteen times; the quicker the machine, the sooner a film is done."""
    kills, by_hand, other = suffer_all(film, unbroken, tmp_path, 60, 14)
    tally(kills=kills, by_hand=by_hand, differing=other)
    assert (by_hand, other) == (0, 0)
    assert kills >= 500


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kills_of_the_shipped_model(shipped: Film, tmp_path: Path, tally: Tally) -> None:
    """Five films of the shipped weights, each killed up to eight times."""
    expected = shipped.make(tmp_path / "unbroken")
    kills, by_hand, other = suffer_all(shipped, expected, tmp_path, 5, 8)
    tally(kills_shipped=kills, by_hand=by_hand, differing=other)
    assert (by_hand, other) == (0, 0)
    assert kills >= 30
