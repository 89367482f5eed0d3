"""A store that is slow, fails once or fails always: tried again, then one clear line, and nothing that was published is lost."""

from pathlib import Path

import pytest
from films import DOORS, Film, Tally, Tree, differing, is_plain

CALLS = ("open", "write", "fsync")
PLACES = ("latents/", "steps/", "frames/", "segments/", "commits/", "audio/")
QUICK = [("write", "segments/", "longtake")]
ALL = [
    (call, place, DOORS[number % 2])
    for number, (call, place) in enumerate((call, place) for call in CALLS for place in PLACES)
]


def check(film: Film, unbroken: Tree, place: Path, *, call: str, where: str, door: str) -> None:
    """Once: the film is made all the same. Always: a code and one line, then the same command ends it."""
    name = {"FAULT_WHERE": where}
    found = film.make(place / "once", door, FAULT_CALL=f"{call}:once", **name)
    assert not differing(found, unbroken)
    always = place / "always"
    status, words = film.start(door, always, FAULT_CALL=f"{call}:always", **name).end()
    assert status > 0, words
    assert is_plain(words, always / "film") if door == "longtake" else str(always) in words, words
    assert "nput/output error" in words
    assert not differing(film.make(always, door), unbroken)


@pytest.mark.parametrize(("call", "where", "door"), QUICK)
def test_some_errors(
    call: str, where: str, door: str, *, film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """EIO while a segment is written."""
    check(film, unbroken, tmp_path, call=call, where=where, door=door)
    tally(tried=2, differing=0, by_hand=0)


@pytest.mark.slow
@pytest.mark.parametrize(("call", "where", "door"), ALL)
def test_errors_of_every_call_in_every_place(
    call: str, where: str, door: str, *, film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """EIO from open, write and fsync, once and always, in each folder of the run."""
    check(film, unbroken, tmp_path, call=call, where=where, door=door)
    tally(tried=2, differing=0, by_hand=0)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", ["0.01", "0.05"])
def test_a_slow_store_is_only_slow(
    seconds: str, film: Film, unbroken: Tree, tmp_path: Path, tally: Tally
) -> None:
    """Each sync takes a while: the same bytes, and the denoiser does not run away from it."""
    assert not differing(film.make(tmp_path, FAULT_SLOW=seconds), unbroken)
    tally(tried=1, differing=0, by_hand=0)
