"""Films shared out to machines, by hand-reckoned cases."""

from dataclasses import replace

import pytest

from pipeline.plan.fleet import FilmWork, Fleet, find_bound, schedule_films

WORK = FilmWork(load=10.0, clip=5.0, clips=8, end=2.0, carry_every=3)


def test_films_go_to_the_first_free_machine() -> None:
    """Five films of 52 s on two machines take three turns, the bound is two and a half."""
    found = schedule_films([WORK] * 5, Fleet(2))
    assert found.ended == (52.0, 52.0, 104.0, 104.0, 156.0)
    assert (found.machine_seconds, found.losses, found.wasted) == (260.0, 0, 0.0)
    assert find_bound([WORK] * 5, 2) == 130.0
    assert find_bound([WORK], 2) == 52.0, "a film is made by one machine"


@pytest.mark.parametrize(
    ("change", "wasted"),
    [
        ({}, 10 + 2 + 5),
        ({"carry_every": 1}, 10 + 2),
        ({"carry_every": 0}, 10 + 2 + 7 * 5),
        ({"resumes": False}, 10 + 2 + 7 * 5),
    ],
)
def test_lost_machine_costs_what_is_denoised_again(
    change: dict[str, int], wasted: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is lost after 47 s had made seven clips; who goes on loads, replays from the last state checkpoint and makes the eighth."""
    lives = iter([47.0, 1e9])
    monkeypatch.setattr(Fleet, "draw_lives", lambda _: lives)
    work = replace(WORK, **change)
    found = schedule_films([work], Fleet(1, noticed_after=60.0, replaced_after=600.0))
    assert (found.losses, found.wasted) == (1, wasted)
    assert found.seconds == 647.0 + 52.0 + wasted - 47.0, "the machine is replaced after 600 s"


def test_losses_are_as_often_as_is_said() -> None:
    """Of 500 machines over ten days 5 % a day are lost, and the same seed loses the same ones."""
    films = [FilmWork(0.0, 60.0, 14_400)] * 500
    fleet = Fleet(500, 0.05, noticed_after=0.0, replaced_after=0.0)
    found = schedule_films(films, fleet)
    assert 220 < found.losses < 300, "500 × 10 × .0513 are 256"
    assert found == schedule_films(films, fleet)
    assert found != schedule_films(films, replace(fleet, seed=1))
