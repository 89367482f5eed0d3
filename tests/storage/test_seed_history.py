"""Which seeds a clip came of, through takes over takes."""

from dataclasses import asdict, replace

import pytest

from storage.run import Run
from storage.seed_history import (
    Dub,
    Origin,
    Take,
    build_history,
    cut_history,
    find_joins,
    find_softened,
    find_sound,
)
from storage.spec import Spec


def take(clip: int, stop: int, seed: int) -> Take:
    return Take("0" * 64, clip, stop, seed)


@pytest.mark.parametrize(
    ("takes", "clip", "history"),
    [
        ([], 7, ((0, 1),)),
        ([(4, 6, 2)], 3, ((0, 1),)),
        ([(4, 6, 2)], 5, ((0, 1), (4, 2))),
        ([(4, 6, 2)], 6, ((0, 1),)),
        ([(0, 6, 2)], 3, ((0, 2),)),
        ([(4, 9, 2), (6, 8, 3)], 7, ((0, 1), (4, 2), (6, 3))),
        ([(4, 9, 2), (6, 8, 3)], 8, ((0, 1), (4, 2))),
        ([(4, 6, 2), (6, 8, 3)], 6, ((0, 1), (4, 2), (6, 3))),
        ([(4, 6, 1)], 5, ((0, 1),)),
    ],
)
def test_a_clip_knows_its_seeds(
    takes: list[tuple[int, int, int]], clip: int, history: tuple[tuple[int, int], ...]
) -> None:
    """Those of the chain that it was made in, which is not always the film's; a seed that does not change is said once."""
    found = build_history(1, [take(*each) for each in takes], clip)
    assert found == tuple(Origin(*each) for each in history)


@pytest.mark.parametrize(
    ("takes", "joins"),
    [
        ([], []),
        ([(4, 6, 2)], [6]),
        ([(4, 9, 2)], []),
        ([(4, 6, 1)], []),
        ([(4, 6, 2), (6, 8, 3)], [8]),
        ([(1, 3, 2), (5, 7, 3)], [3, 7]),
        ([(1, 3, 2), (2, 5, 3)], [5]),
        ([(1, 5, 2), (2, 3, 3)], [3, 5]),
    ],
)
def test_joins_are_where_no_chain_goes_on(
    takes: list[tuple[int, int, int]], joins: list[int]
) -> None:
    """A take over a join takes it away; the film's end is none."""
    assert list(find_joins(1, [take(*each) for each in takes], 9)) == joins


@pytest.mark.parametrize(
    ("takes", "softened"),
    [
        ([(4, 6, 2)], [(5, 8)]),
        ([(4, 9, 2)], []),
        ([(4, 6, 1)], []),
        ([(4, 6, 2), (6, 8, 3)], [(5, 8), (7, 8)]),
        ([(4, 6, 2), (5, 6, 3)], [(5, 8)]),
        ([(4, 6, 2), (5, 8, 3)], [(7, 8)]),
        ([(4, 6, 2), (2, 5, 3)], [(5, 8), (4, 8)]),
    ],
)
def test_a_clip_stays_softened_whatever_follows_it_later(
    takes: list[tuple[int, int, int]], softened: list[tuple[int, int]]
) -> None:
    """Its latents are as they were published; only a take of the clip itself makes others."""
    soft = [replace(take(*each), soften=8) for each in takes]
    assert list(find_softened(1, soft, 9)) == softened


def test_history_is_cut_before_a_clip() -> None:
    """What stands before a clip is made of the seeds before it."""
    assert cut_history((Origin(0, 1), Origin(4, 2)), 4) == (Origin(0, 1),)


def test_a_clip_knows_the_sound_that_it_was_made_to() -> None:
    """A dub is heard in its clips and in what follows from them; a retake of a clip hears what was heard there; the same seed with another sound is another chain."""
    dub = Dub("1" * 64, 0, 9)
    takes = [take(2, 4, 7), replace(take(3, 6, 1), dub=dub), take(5, 8, 1), take(1, 4, 7)]
    assert [find_sound(takes, clip) for clip in range(9)] == [0, 0, 0, 2, 2, 2, 0, 0, 0]
    assert build_history(1, takes[:2], 3) == (Origin(0, 1), Origin(2, 7), Origin(3, 1, 2))
    assert build_history(1, takes[:3], 7) == (
        Origin(0, 1),
        Origin(2, 7),
        Origin(3, 1, 2),
        Origin(6, 1),
    )
    assert build_history(1, takes, 3) == (Origin(0, 1), Origin(1, 7), Origin(3, 7, 2))
    assert list(find_joins(1, [replace(take(3, 6, 1), dub=dub)], 9)) == [6]
    assert list(find_joins(1, [take(3, 6, 1)], 9)) == []


def test_a_film_without_takes_has_the_digest_it_had(run: Run) -> None:
    """The canonical JSON names takes only where there are some; from JSON they come back as they were."""
    taken = replace(run.spec, takes=(take(1, 2, 9),))
    assert "takes" not in run.spec.canonical
    assert taken.digest != run.spec.digest
    assert Spec.from_facts(asdict(taken)) == taken
    assert Spec.from_facts({k: v for k, v in asdict(run.spec).items() if k != "takes"}) == run.spec
