"""What the verbs' values look like on a terminal."""

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from pipeline.progress import clock

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.inspect import Inspection
    from pipeline.status import Status

_COLOURS = {"working": "cyan", "finished": "green", "stopped": "yellow", "failed": "red"}


def amount(count: int) -> str:
    """Bytes for people; GB = 1e9."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


def coloured(text: str) -> "RenderableType":
    """A help screen: flags, verbs and examples stand out."""
    from rich.highlighter import RegexHighlighter
    from rich.text import Text

    class Help(RegexHighlighter):
        base_style = ""
        highlights = [  # noqa: RUF012 - rich's own way
            r"(?P<bold_cyan>(?<![\w-])--?[a-z][a-z-]*)",
            r"(?m)(?P<bold>^[a-z ]+:$)",
            r"(?m)(?P<green>^  longtake .*$)",
            r"(?m)^  (?P<bold_cyan>new|resume|status|mux|inspect|doctor)  ",
        ]

    return Help()(Text(text.rstrip("\n")))


def show_status(status: "Status") -> Iterator["RenderableType"]:
    """A few lines on the film, then every setting with its source."""
    from rich.table import Table
    from rich.text import Text

    yield Text.assemble(
        (status.run, "bold"), " is ", (status.state, f"bold {_COLOURS[status.state]}")
    )
    lines = Table.grid(padding=(0, 2))
    for name, text in _facts(status):
        lines.add_row(Text(name, style="dim"), Text(text))
    yield lines
    yield ""
    yield _table_of_settings(status)


def _facts(status: "Status") -> Iterator[tuple[str, str]]:
    yield "film", f"{clock(status.seconds)}, {status.frames} frames at {status.fps} fps"
    yield (
        "clips",
        f"{status.clips_done} of {status.clips} playable, {status.clips_denoised} denoised",
    )
    if status.first_playable_clip_after is not None:
        yield "first clip", f"playable after {status.first_playable_clip_after:.1f} s"
    if status.seconds_a_clip and status.frames_a_second:
        yield (
            "pace",
            f"{status.seconds_a_clip:.2f} s a clip, {status.frames_a_second:.1f} frames a second",
        )
    if status.eta is not None:
        yield "left", clock(status.eta)
    if status.retries:
        yield "retries", str(status.retries)
    if status.fault:
        yield "fault", status.fault
    yield "on disk", amount(status.bytes_on_disk)
    if status.film:
        yield "video", status.film
    if status.state in {"stopped", "failed"}:
        yield "go on", f"longtake resume {status.run}"
        yield "see it", f"longtake mux {status.run} --partial"


def _table_of_settings(status: "Status") -> "RenderableType":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("setting")
    table.add_column("value", overflow="fold")
    table.add_column("from", style="dim")
    for decides, settings in groupby(status.settings, key=lambda setting: setting.decides):
        table.add_row(f"[bold]decides {decides}[/]")
        for setting in settings:
            table.add_row(f"  {setting.name}", _short(setting.value), setting.source)
    return table


def _short(value: object) -> str:
    """A value for the eye: a digest by its beginning, nothing as a dash."""
    text = "–" if value in (None, "") else str(value)
    digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return f"{text[:12]}…" if digest else text


def show_inspection(inspection: "Inspection") -> Iterator["RenderableType"]:
    """One line a channel and step."""
    from rich import box
    from rich.table import Table

    yield f"clip {inspection.clip} of {inspection.run}, drawn {inspection.drawn}:"
    yield inspection.picture
    yield ""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("step", "channel", "min", "max", "mean", "std", "NaN"):
        table.add_column(name, justify="right")
    for step, rows in groupby(inspection.numbers, key=lambda row: row.step):
        for row in rows:
            values = [f"{value:.3f}" for value in (row.low, row.high, row.mean, row.deviation)]
            nan = f"[red]{row.nan}[/]" if row.nan else "0"
            table.add_row(str(step), str(row.channel), *values, nan)
        table.add_section()
    yield table
