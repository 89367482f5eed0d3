"""What a plan looks like on a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.progress import clock
from pipeline.words import amount, pace_in_words, time_in_words
from storage.errors import count
from storage.printable import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.plan.estimate import Estimate, Room
    from pipeline.plan.variants import Variant

_TITLES = {"device": "card", "host": "memory", "disk": "disk"}


def show_plan(plan: "Estimate") -> Iterator["RenderableType"]:
    """The film, the time, each kind of room by part, and the verdict."""
    from rich.table import Table
    from rich.text import Text

    yield Text.assemble((headline(plan), "bold"))
    yield Text(printable(f"{plan.run}, on {plan.machine}"), style="dim")
    yield from (Text(printable(note), style="yellow") for note in plan.notes)
    yield ""
    lines = Table.grid(padding=(0, 2))
    for name, text in _time(plan):
        lines.add_row(Text(name, style="dim"), Text(text))
    yield lines
    yield ""
    yield _rooms(plan)
    yield ""
    yield from _verdict(plan)


def headline(plan: "Estimate") -> str:
    """One line about the film."""
    film = plan.film
    frames, clips = count(film.frames, "frame"), count(film.clips, "clip")
    size = f"{film.width}*{film.height}, {count(film.steps, 'step')}"
    return f"{film.length}: {frames} at {film.fps} fps in {clips}; {film.model}, {size}"


def summary(plan: "Estimate") -> str:
    """The same as one line, for `new`."""
    rooms = ", ".join(f"{_TITLES[room.what]} {amount(room.total)}" for room in plan.rooms)
    took = plan.time.film
    hours = f", about {clock(took)} to make" if took is not None else ""
    return f"[PLAN] {headline(plan)}; {rooms}{hours}"


def _time(plan: "Estimate") -> Iterator[tuple[str, str]]:
    time = plan.time
    if time.film is None or time.clip is None or time.first is None:
        yield "time", time.source
        return
    yield "film", f"{time_in_words(time.film)} after the command (by {time.source})"
    order = "offline" if plan.offline else "online"
    yield "first clip", f"playable after {time_in_words(time.first)}, {order}"
    yield "pace", pace_in_words(time.clip, time.frames_a_second or 0)
    if time.carry and plan.carries:
        yield "its state", f"saved in {time_in_words(time.carry)}, behind the work"


def _rooms(plan: "Estimate") -> "RenderableType":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("")
    table.add_column("needed", justify="right")
    table.add_column("free", justify="right")
    table.add_column("", style="dim", overflow="fold")
    for room in plan.rooms:
        _add(table, room)
    return table


def _add(table: "RenderableType", room: "Room") -> None:
    from rich.table import Table
    from rich.text import Text

    assert isinstance(table, Table)
    colour = "green" if room.fits else "red"
    free = "not known" if room.free is None else amount(room.free)
    table.add_row(
        Text(_TITLES[room.what], style="bold"),
        Text(amount(room.total), style=f"bold {colour}"),
        free,
        room.note,
    )
    for name, size in sorted(room.parts.items(), key=lambda part: -part[1]):
        table.add_row(f"  {name}", amount(size), "", "")
    if room.what == "disk":
        table.add_row(
            Text("  must be free at the start", style="dim"),
            Text(amount(room.needed), style="dim"),
            "",
            "bounds; what auto may drop is not counted",
        )
    table.add_section()


def _verdict(plan: "Estimate") -> Iterator["RenderableType"]:
    from rich.text import Text

    if plan.fits:
        more = f" with {' '.join(plan.changes)}" if plan.changes else ""
        yield Text.assemble(("It fits", "bold green"), more, ".")
        return
    short = " and ".join(_TITLES[name] for name in plan.short)
    yield Text.assemble(("It does not fit", "bold red"), f": {short}.")
    if not plan.ways:
        yield "Nothing that longtake can change makes it fit; free some, or take another machine."
        return
    yield "What would, the cheapest first (--fit takes the first):"
    for way in plan.ways:
        yield Text.assemble("  ", (" ".join(way.flags), "cyan"))
        yield Text(f"    costs: {way.costs}", style="dim")


def show_variants(variants: "tuple[Variant, ...]") -> "RenderableType":
    """What each knob changes."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("", "frames a second", "first clip after", "memory", "card", "disk"):
        table.add_column(name, justify="right" if name else "left", no_wrap=not name)
    for each in variants:
        style = "bold" if each.words == "as asked" else ""
        cells = (
            "–" if each.frames_a_second is None else f"{each.frames_a_second:.3g}",
            "–" if each.first is None else time_in_words(each.first),
            amount(each.host),
            amount(each.device) if each.device else "–",
            amount(each.disk),
        )
        table.add_row(each.words, *cells, style=style)
    return table
