"""Several at once, locks that nobody holds, clocks that jump: one works, the others are told, and the bytes are the same."""

import json
import os
import random
import socket
import time
from pathlib import Path

import pytest
from films import DOORS, Film, Tally, Tree, differing, running, tree

# Luigi has a lock of its own against the very same command line: 10, and not a word on stderr.
REFUSED = {"longtake": {75}, "luigi": {30, 10}}
SLOW = {"FAKE_DENOISE": "0.02", "FAKE_DECODE": "0.02"}
YEAR = 365 * 86400


def race(film: Film, place: Path, many: int) -> tuple[int, int]:
    """Start so many at once, through both doors; how many made the film, how many were refused."""
    said = [place.parent / f"{place.name}.{number}.said" for number in range(many)]
    started = [film.start(DOORS[number % 2], place, said[number], **SLOW) for number in range(many)]
    ends = [one.end() for one in started]
    made = sum(status == 0 for status, _ in ends)
    refused = 0
    for number, (status, words) in enumerate(ends):
        if status:
            assert status in REFUSED[DOORS[number % 2]], (status, words)
            assert status == 10 or "is being worked on by" in words, words
            refused += 1
    return made, refused


def test_of_three_at_once_the_others_are_refused(
    film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """Three processes begin the same film at the same moment: whoever does not make it is told who does."""
    made, refused = race(film, tmp_path, 3)
    assert made >= 1
    assert made + refused == 3
    assert not differing(tree(tmp_path / "film"), unbroken)
    tally(tried=3, refused=refused, differing=0, by_hand=0)


@pytest.mark.slow
def test_again_and_again_eight_at_once(
    film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """Eight at once, five films."""
    refused = 0
    for number in range(5):
        made, others = race(film, tmp_path / str(number), 8)
        assert made >= 1
        refused += others
        assert not differing(tree(tmp_path / str(number) / "film"), unbroken)
    tally(tried=40, refused=refused, differing=0, by_hand=0)


# Whatever a lock's file says of a holder that is not there.
STALE = {
    "a process that is gone": {"process": 4194000},
    "another process of that number": {"process": 1},
    "a process of the future": {"process": 1, "since": "2199-01-01 00:00:00+00:00"},
}


@pytest.mark.parametrize("holder", STALE)
def test_a_stale_lock_is_taken_over(
    holder: str, film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """A film whose worker was killed, with a lock that still names somebody: the same command goes on."""
    with running(film.start("longtake", tmp_path, **SLOW)) as started:
        started.wait_for(tmp_path / "film", 20)
        started.kill()
        started.end()
    words = {"host": socket.gethostname(), "since": "2026-01-01 00:00:00+00:00", "token": "0" * 16}
    (tmp_path / "film" / "run.lock").write_text(json.dumps({**words, **STALE[holder]}) + "\n")
    assert not differing(film.make(tmp_path, "luigi"), unbroken)
    tally(tried=1, taken_over=1, differing=0, by_hand=0)


@pytest.mark.slow
@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_that_jumps_changes_nothing(
    years: int, film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """The time of day jumps by ten years, there and back,, files are dated from another decade, and the worker is killed on the way."""
    chance = random.Random(years)
    jumping = {"FAULT_CLOCK": str(years * YEAR)}
    for attempt in range(4):
        with running(film.start(DOORS[attempt % 2], tmp_path, **jumping, **SLOW)) as started:
            started.wait_for(tmp_path / "film", 15)
            started.kill()
            started.end()
        for path in (tmp_path / "film").rglob("*"):
            when = time.time() + chance.choice([-1, 1]) * 10 * YEAR
            os.utime(path, (when, when))
    assert not differing(film.make(tmp_path, "longtake", **jumping), unbroken)
    tally(tried=4, differing=0, by_hand=0)
