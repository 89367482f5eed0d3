"""What lost machines cost a batch, by simulation: python -m pipeline.bench.batch_simulation [--films 10000] [--machines 1000] [--lost-a-day 0.05] [--plot FILE].

Films of a lognormal length (median --minutes) on machines of which a share is lost in a day, at any moment alike: their film is given to another machine after a
minute, and another machine stands in for a lost one after ten. Ways: in the order of the table, or the longest first, without a loss; with losses, films that
go on from a state checkpoint, close or far between; films that begin anew. Held against the bound that no order can beat. All ways with losses have the same losses.
"""

import argparse
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.plan.fleet import FilmWork, Fleet, Schedule, find_bound, schedule_films

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOT = Path(__file__).parents[2] / "docs" / "media" / "batch_simulation.png"
SPREAD = 0.6
"""The standard deviation of the logarithm of a film's length."""
CLIP_SECONDS = 48 / 25
COLOURS = ("#bbbbbb", "#6b7f99", "#1f4e79", "#d9822b", "#b5482f")
FAR = 64
"""Clips between two state checkpoints where they are dear."""
Ways = dict[str, Schedule]


def draw_films(count: int, minutes: float, work: FilmWork, seed: int = 0) -> list[FilmWork]:
    """Films like `work`, but of lengths around so many minutes."""
    drawn = random.Random(seed)
    lengths = (drawn.lognormvariate(math.log(60 * minutes), SPREAD) for _ in range(count))
    return [replace(work, clips=max(1, round(length / CLIP_SECONDS))) for length in lengths]


def compare_ways(films: Sequence[FilmWork], fleet: Fleet) -> Ways:
    """The films by each way."""
    first = sorted(films, key=lambda film: -film.clips)
    whole, carry = replace(fleet, lost_a_day=0.0), films[0].carry_every
    return {
        "as they come, nothing is lost": schedule_films(films, whole),
        "longest first, nothing is lost": schedule_films(first, whole),
        f"a state checkpoint every {carry} clips": schedule_films(first, fleet),
        f"a state checkpoint every {FAR} clips": schedule_films(
            [replace(film, carry_every=FAR) for film in first], fleet
        ),
        "begun anew": schedule_films([replace(film, resumes=False) for film in first], fleet),
    }


def describe_ways(ways: Ways, bound: float) -> Iterator[str]:
    """A line a way: hours, against the bound, and what a loss cost."""
    yield f"{'':36} {'hours':>7} {'bound':>7} {'99 % at':>8} {'lost':>5} {'a loss costs':>13}"
    for name, found in ways.items():
        each = f"{found.wasted / found.losses:.0f} s" if found.losses else "–"
        most = found.ended[math.ceil(0.99 * len(found.ended)) - 1]
        yield f"{name:36} {found.seconds / 3600:7.2f} {found.seconds / bound:6.3f}× {most / 3600:8.2f} {found.losses:5} {each:>13}"


def draw_ways(ways: Ways, bound: float, path: Path) -> None:
    """The films that are there over the hours, a line a way, and the last of them enlarged."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    whole, last = figure.subplots(1, 2)
    for axes in (whole, last):
        _draw_lines(axes, ways, bound)
    count = len(next(iter(ways.values())).ended)
    whole.set_ylabel("films there")
    last.set_ylim(0.97 * count, 1.001 * count)
    last.set_xlim(0.8 * bound / 3600, 1.02 * max(each.seconds for each in ways.values()) / 3600)
    last.set_title("the last 3 %", fontsize=9)
    whole.legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=110)


def _draw_lines(axes: "Axes", ways: Ways, bound: float) -> None:
    for (name, found), colour in zip(ways.items(), COLOURS, strict=True):
        hours = [0.0, *(each / 3600 for each in found.ended)]
        axes.step(hours, range(len(hours)), where="post", color=colour, label=name, lw=1.2)
    axes.axvline(bound / 3600, color="#888", ls=":", lw=1, label="the bound")
    axes.set_xlabel("hours")
    axes.spines[["top", "right"]].set_visible(False)


def run_simulation() -> None:
    """Simulate, print the table, draw the plot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, value in (("films", 10_000), ("machines", 1000), ("carry-every", 8), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    for name, number in (("lost-a-day", 0.05), ("minutes", 10.0), ("load", 52.0), ("clip", 7.6)):
        parser.add_argument(f"--{name}", type=float, default=number)
    parser.add_argument("--plot", type=Path, default=PLOT)
    asked = parser.parse_args()
    work = FilmWork(asked.load, asked.clip, 1, 5.0, asked.carry_every)
    films = draw_films(asked.films, asked.minutes, work, asked.seed)
    fleet = Fleet(asked.machines, asked.lost_a_day, seed=asked.seed)
    ways, bound = compare_ways(films, fleet), find_bound(films, asked.machines)
    print("\n".join(describe_ways(ways, bound)))
    draw_ways(ways, bound, asked.plot)


if __name__ == "__main__":
    run_simulation()
