"""The simulation of a batch on machines that are lost: its ways stand in their order, and it draws them."""

from pathlib import Path

from pipeline.bench.batch_simulation import compare_ways, describe_ways, draw_films, draw_ways
from pipeline.plan.fleet import FilmWork, Fleet, find_bound


def test_ways(tmp_path: Path) -> None:
    """The longest first comes nearer to the bound; a loss costs the more the further apart state checkpoints lie, and most where all begins anew."""
    films = draw_films(400, 10.0, FilmWork(50.0, 8.0, 1, 5.0, carry_every=8))
    ways, bound = compare_ways(films, Fleet(40, 0.5)), find_bound(films, 40)
    plain, longest, close, far, anew = ways.values()
    assert bound <= longest.seconds < plain.seconds
    assert plain.losses == longest.losses == 0 < close.losses
    costs = [each.wasted / each.losses for each in (close, far, anew)]
    assert costs == sorted(costs)
    assert costs[0] < 50 + 8 * 8 + 8
    assert len(list(describe_ways(ways, bound))) == 6
    draw_ways(ways, bound, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000
