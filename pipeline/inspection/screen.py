"""What an inspection looks like on a terminal."""

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from pipeline.inspection.overview import draw_sparkline
from pipeline.monitor.screens import render_grid
from pipeline.monitor.words import value_in_words
from storage.errors import count_noun, describe_span
from storage.printable import spell_unprintable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from pipeline.inspection.audio_view import AudioView
    from pipeline.inspection.clip import ClipInspection
    from pipeline.inspection.diff import Difference, RunComparison, StageDiff
    from pipeline.inspection.hunt import Anomaly, AnomalyReport
    from pipeline.inspection.overview import FilmOverview

_LINES = 20
"""Findings that are named on a terminal; --json names more."""


def make_table(*names: str) -> "Table":
    """A table whose columns, by these names, hold numbers."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def show_inspection(inspection: "ClipInspection") -> Iterator["RenderableType"]:
    """An inspection of a clip on a terminal: where its picture is, then a line for each channel and step."""
    from rich.text import Text

    block = "" if inspection.block is None else f", block {inspection.block}"
    yield f"clip {inspection.clip}{block} of {inspection.run}, drawn {inspection.drawn}:"
    yield inspection.picture
    yield f"from {inspection.source}"
    yield ""
    table = make_table("step", "channel", "min", "max", "mean", "std", "NaN")
    for step, rows in groupby(inspection.numbers, key=lambda row: row.step):
        for row in rows:
            values = [f"{value:.3f}" for value in (row.low, row.high, row.mean, row.deviation)]
            nan = Text(str(row.nan), style="red" if row.nan else "")
            table.add_row(str(step), str(row.channel), *values, nan)
        table.add_section()
    yield table


def show_overview(overview: "FilmOverview") -> Iterator["RenderableType"]:
    """An overview of a film on a terminal: a line of bars for the norm, the drift and each channel."""
    from rich.text import Text

    samples = overview.samples
    yield f"{overview.run}: {overview.made} of {count_noun(overview.clips, 'clip')} there, {len(samples)} looked at, drawn {overview.drawn}:"
    yield overview.picture
    yield ""
    rows = [("norm", [s.norm for s in samples]), ("drift", [s.drift for s in samples])]
    channels = range(len(samples[0].means))
    rows += [(f"channel {n}", [s.means[n] for s in samples]) for n in channels]
    head = (
        "",
        "first",
        "last",
        "least",
        "most",
        f"clip {describe_span(samples[0].clip, samples[-1].clip)}",
    )
    yield render_grid([head, *(_course_row(name, values) for name, values in rows)])
    if bad := [s.clip for s in samples if s.nan]:
        words = (f"clip {bad[0]} has values that are no number", "red")
        yield Text.assemble(words, f": longtake inspect {spell_unprintable(overview.run)} --hunt")


def _course_row(name: str, values: list[float]) -> tuple[str, ...]:
    figures = (values[0], values[-1], min(values), max(values))
    return (name, *(f"{figure:6.3f}" for figure in figures), draw_sparkline(values, 40))


def show_anomalies(report: "AnomalyReport") -> Iterator["RenderableType"]:
    """The anomalies on a terminal, in the order in which the film is made."""
    from rich.text import Text

    found = len(report.found) + report.more
    looked = f"{count_noun(report.clips, 'clip')}, {report.values / 1e6:.1f} million values"
    if not found:
        yield Text(f"{spell_unprintable(report.run)}: nothing stands out in {looked}")
        return
    yield Text(
        f"{spell_unprintable(report.run)}: {found} found in {looked}; the first is where it began"
    )
    yield ""
    shown = report.found[:_LINES]
    yield render_grid(
        [("clip", "block", "step", "channel", "stage", ""), *map(_anomaly_row, shown)]
    )
    if found > len(shown):
        yield Text(f"  … and {found - len(shown)} more; --json names {len(report.found)}")


def _anomaly_row(anomaly: "Anomaly") -> tuple[str, ...]:
    place, says = anomaly.place, f"{anomaly.kind}: {anomaly.says}"
    if place.index:
        says += f", the first at {list(place.index)}"
    if anomaly.score is not None:
        says += f" ({anomaly.score:.0f} deviations)"
    if not anomaly.vouched and anomaly.kind != "damaged":
        says += "; and the file is not what was written"
    numbers = (place.clip, place.block, place.step, place.channel)
    return (*("–" if n is None else str(n) for n in numbers), place.stage, says)


def show_comparison(found: "RunComparison") -> Iterator["RenderableType"]:
    """A comparison of two runs on a terminal: the first difference, then each stage."""
    from rich.text import Text

    verdict = ("equal", "bold green") if found.equal else ("different", "bold yellow")
    yield Text.assemble(
        (spell_unprintable(found.run), "bold"),
        " and ",
        (spell_unprintable(found.other), "bold"),
        " are ",
        verdict,
    )
    for decides, differing in (("asked for", found.asked), ("numerics", found.numerics)):
        for name, (here, there) in differing.items():
            yield Text(
                f"  {decides}: {name} is {value_in_words(here)}, there {value_in_words(there)}"
            )
    if found.first is not None:
        yield ""
        yield Text(f"first: {_describe_difference(found.first)}")
    yield ""
    names = ("stage", "equal", "differ", "only here", "only there", "by at most", "over the clips")
    yield render_grid([names, *map(_stage_row, found.stages)])


def _describe_difference(one: "Difference") -> str:
    if one.note:
        return f"{one.place}: {one.note}"
    figures = f"{one.here:.9g}, there {one.there:.9g} ({count_noun(one.bits, 'bit')})"
    return f"{one.place}: {figures}; of {one.of} values there {one.values} differ, by {one.largest:.3g} at most"


def _stage_row(stage: "StageDiff") -> tuple[str, ...]:
    counts = [str(n or "–") for n in (stage.equal, stage.differ, stage.only_here, stage.only_there)]
    sizes = [size for _, size in stage.sizes]
    largest = f"{max(sizes):.3g}" if sizes else ""
    return (stage.stage, *counts, largest, draw_sparkline(sizes, 24) if len(sizes) > 1 else "")


def show_audio(view: "AudioView") -> Iterator["RenderableType"]:
    """A clip's sound on a terminal: its loudness as bars, then a line for each layer."""
    yield f"clip {view.clip} of {view.run}, from {view.seconds:.2f} s:"
    yield view.picture
    yield ""
    yield f"loudness  {draw_sparkline(list(view.loudness))}"
    yield ""
    table = make_table("layer", "min", "max", "mean", "std", "follows loudness", "NaN")
    for row in view.layers:
        figures = (row.low, row.high, row.mean, row.deviation, row.follows)
        table.add_row(str(row.layer), *(f"{figure:.3f}" for figure in figures), str(row.nan))
    yield table
