"""What `status --watch` draws: one run, in a few lines."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pipeline.progress import clock
from pipeline.screens import state_in_words
from pipeline.words import amount, film_length, pace_in_words, time_in_words
from storage.errors import count
from storage.printable import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.status import Status


def draw(status: "Status") -> "RenderableType":
    """The run, its clips as a bar, and what there is to know just now."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    title = Text.assemble((printable(status.run), "bold"), " ", *state_in_words(status))
    lines = Table.grid(padding=(0, 2))
    for name, words, style in _facts(status):
        lines.add_row(Text(name, style="dim"), Text(printable(words), style=style))
    return Group(title, _bar(status), lines)


def _bar(status: "Status") -> "RenderableType":
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    row = Table.grid(padding=(0, 2), expand=True)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True)
    made = f"{status.clips_done} of {count(status.clips, 'clip')}"
    left = "" if status.eta is None else f"   {clock(status.eta)} left"
    row.add_row(ProgressBar(total=status.clips, completed=status.clips_done), made + left)
    return row


def _facts(status: "Status") -> Iterator[tuple[str, str, str]]:
    """Each line's name, words and style."""
    length = film_length(status.frames, status.fps)
    yield "film", f"{length}, {count(status.frames, 'frame')} at {status.fps} fps", ""
    if status.seconds_a_clip and status.frames_a_second:
        yield "pace", pace_in_words(status.seconds_a_clip, status.frames_a_second), ""
    if status.stages:
        yield "stages", stages(status.stages), ""
    if status.state == "working":
        yield "denoised", f"{status.clips_denoised} of {count(status.clips, 'clip')}", ""
        if card := amounts(status.device):
            yield "card", card, ""
        yield "by", str(status.worker), ""
    if status.retries:
        yield "retries", str(status.retries), "yellow"
    if status.quiet is not None and status.state != "finished":
        yield "last", f"{status.last_event}, {time_in_words(status.quiet)} ago", ""
    yield from _trouble(status)
    if status.film:
        yield "video", status.film, "green"


def _trouble(status: "Status") -> Iterator[tuple[str, str, str]]:
    if status.stall:
        yield "quiet", status.stall, "bold yellow"
    if status.fault:
        yield "fault", status.fault, "red"
    if status.state in {"stopped", "failed"}:
        yield "", "Nobody works on it.", ""
        yield "go on", f"longtake resume {status.run}", "green"


def stages(seconds: Mapping[str, float]) -> str:
    """`denoise 0.48 s, hear 0.01 s, decode 0.61 s a clip`."""
    return ", ".join(f"{name} {each:.2f} s" for name, each in seconds.items()) + " a clip"


def amounts(device: Mapping[str, object]) -> str:
    """`NVIDIA H200: 93.1 of 143.8 GB, 71 °C, 98 % busy`; empty where nobody can tell."""
    known = {name: int(str(device[name])) for name in _NUMBERS if name in device}
    parts = []
    if "used" in known:
        whole = f" of {amount(known['total'])}" if "total" in known else ""
        parts.append(f"{amount(known['used'])}{whole}")
    if "temperature" in known:
        parts.append(f"{known['temperature']} °C")
    if "load" in known:
        parts.append(f"{known['load']} % busy")
    return f"{device.get('card', 'card')}: {', '.join(parts)}" if parts else ""


_NUMBERS = ("used", "total", "temperature", "load")
