"""What `status --watch` draws: one run, in a few lines."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pipeline.monitor.progress import format_seconds_left
from pipeline.monitor.words import (
    film_length,
    format_bytes,
    speed_in_words,
    state_in_words,
    time_in_words,
)
from storage.errors import count_noun
from storage.printable import spell_unprintable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.monitor.status import Status


def draw_panel(status: "Status") -> "RenderableType":
    """A run's status in a few lines, its clips as a bar."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    title = Text.assemble(
        (spell_unprintable(status.run), "bold"), " ", *state_in_words(status.state)
    )
    lines = Table.grid(padding=(0, 2))
    for name, words, style in _fact_rows(status):
        lines.add_row(Text(name, style="dim"), Text(spell_unprintable(words), style=style))
    return Group(title, _clip_bar(status), lines)


def _clip_bar(status: "Status") -> "RenderableType":
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    row = Table.grid(padding=(0, 2), expand=True)
    row.add_column(ratio=1)
    row.add_column(no_wrap=True)
    made = f"{status.clips_done} of {count_noun(status.clips, 'clip')}"
    left = "" if status.eta is None else f"   {format_seconds_left(status.eta)} left"
    row.add_row(ProgressBar(total=status.clips, completed=status.clips_done), made + left)
    return row


def _fact_rows(status: "Status") -> Iterator[tuple[str, str, str]]:
    """Name, words and style of each line."""
    length = film_length(status.frames, status.fps)
    yield "film", f"{length}, {count_noun(status.frames, 'frame')} at {status.fps} fps", ""
    if status.seconds_a_clip and status.frames_a_second:
        yield "pace", speed_in_words(status.seconds_a_clip, status.frames_a_second), ""
    if status.stages:
        yield "stages", describe_stages(status.stages), ""
    if status.state == "working":
        yield "denoised", f"{status.clips_denoised} of {count_noun(status.clips, 'clip')}", ""
        if card := describe_device(status.device):
            yield "card", card, ""
        yield "by", str(status.worker), ""
    if status.retries:
        yield "retries", str(status.retries), "yellow"
    if status.quiet is not None and status.state != "finished":
        yield "last", f"{status.last_event}, {time_in_words(status.quiet)} ago", ""
    yield from _trouble_rows(status)
    if status.film:
        yield "video", status.film, "green"


def _trouble_rows(status: "Status") -> Iterator[tuple[str, str, str]]:
    if status.stall:
        yield "quiet", status.stall, "bold yellow"
    if status.fault:
        yield "fault", status.fault, "red"
    if status.state in {"stopped", "failed"}:
        yield "", "Nobody works on it.", ""
        yield "go on", f"longtake resume {status.run}", "green"


def describe_stages(seconds: Mapping[str, float]) -> str:
    """Seconds a clip of each stage in words: `denoise 0.48 s, hear 0.01 s, decode 0.61 s a clip`."""
    return ", ".join(f"{name} {each:.2f} s" for name, each in seconds.items()) + " a clip"


def describe_device(device: Mapping[str, object]) -> str:
    """A GPU's state in words: `NVIDIA H200: 93.1 of 143.8 GB, 71 °C, 98 % busy`; empty where nobody can tell."""
    known = {name: int(str(device[name])) for name in _NUMBERS if name in device}
    parts = []
    if "used" in known:
        whole = f" of {format_bytes(known['total'])}" if "total" in known else ""
        parts.append(f"{format_bytes(known['used'])}{whole}")
    if "temperature" in known:
        parts.append(f"{known['temperature']} °C")
    if "load" in known:
        parts.append(f"{known['load']} % busy")
    return f"{device.get('card', 'card')}: {', '.join(parts)}" if parts else ""


_NUMBERS = ("used", "total", "temperature", "load")
