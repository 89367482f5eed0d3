"""What a plan looks like on a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.progress import clock
from pipeline.screens import amount
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
    clips = "1 clip" if film.clips == 1 else f"{film.clips} clips"
    steps = "1 step" if film.steps == 1 else f"{film.steps} steps"
    size = f"{film.width}*{film.height}, {steps}"
    return f"{film.length}: {film.frames} frames at {film.fps} fps in {clips}; {film.model}, {size}"


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
    yield "film", f"{_span(time.film)} after the command (by {time.source})"
    order = "offline" if plan.offline else "online"
    yield "first clip", f"playable after {_span(time.first)}, {order}"
    yield "pace", f"{time.clip:.2f} s a clip, {time.frames_a_second or 0:.3g} frames a second"
    if time.carry and plan.carries:
        yield "its state", f"saved in {_span(time.carry)}, behind the work"


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else clock(seconds)


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
            "–" if each.first is None else _span(each.first),
            amount(each.host),
            amount(each.device) if each.device else "–",
            amount(each.disk),
        )
        table.add_row(each.words, *cells, style=style)
    return table
