"""What a plan looks like on a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.monitor.progress import format_seconds_left
from pipeline.monitor.words import format_bytes, speed_in_words, time_in_words
from storage.errors import count_noun
from storage.printable import spell_unprintable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.plan.alternatives import PlanVariant
    from pipeline.plan.estimate import Estimate, RoomNeed
    from pipeline.plan.shares import SharedFilm

_TITLES = {"device": "card", "host": "memory", "disk": "disk"}


def show_plan(plan: "Estimate") -> Iterator["RenderableType"]:
    """A plan on a terminal: the film, the time, each kind of room by part, and the verdict."""
    from rich.table import Table
    from rich.text import Text

    yield Text.assemble((describe_film(plan), "bold"))
    yield Text(spell_unprintable(f"{plan.run}, on {plan.machine}"), style="dim")
    yield from (Text(spell_unprintable(note), style="yellow") for note in plan.notes)
    yield ""
    lines = Table.grid(padding=(0, 2))
    for name, text in _time_rows(plan):
        lines.add_row(Text(name, style="dim"), Text(text))
    yield lines
    yield ""
    yield _room_table(plan)
    yield ""
    if plan.shared is not None:
        yield Text(describe_sharing(plan.shared))
        yield _rank_table(plan.shared)
        yield ""
    yield from _verdict_lines(plan)


def describe_film(plan: "Estimate") -> str:
    """The film of a plan in one line: clips, length, size."""
    film = plan.film
    frames, clips = count_noun(film.frames, "frame"), count_noun(film.clips, "clip")
    size = f"{film.width}*{film.height}, {count_noun(film.steps, 'step')}"
    return f"{film.length}: {frames} at {film.fps} fps in {clips}; {film.model}, {size}"


def summarize_plan(plan: "Estimate") -> str:
    """A plan in one line, for `longtake new`: the film, its rooms, the time."""
    rooms = ", ".join(f"{_TITLES[room.what]} {format_bytes(room.total)}" for room in plan.rooms)
    took = plan.time.film
    hours = f", about {format_seconds_left(took)} to make" if took is not None else ""
    return f"[PLAN] {describe_film(plan)}; {rooms}{hours}"


def describe_sharing(shared: "SharedFilm") -> str:
    """How cards share a film out, why so, and what one of them would do alone; one line."""
    # Guidance is no word of --parallel: such a model has nothing else to share.
    way = "" if shared.parallel == "guidance" else f" --parallel {shared.parallel}"
    what = f"--gpus {len(shared.ranks)}{way}"
    return f"{what}: {shared.reason}. One of them alone: {shared.alone}."


def _rank_table(shared: "SharedFilm") -> "RenderableType":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("rank", "layers", "steps", "heads", "its card"):
        table.add_column(name, justify="right")
    table.add_column("", style="dim", overflow="fold")
    for each in shared.ranks:
        numbers = (f"{number:g}" for number in (each.rank, each.layers, each.steps, each.heads))
        table.add_row(*numbers, format_bytes(each.needed), each.way)
    return table


def _time_rows(plan: "Estimate") -> Iterator[tuple[str, str]]:
    time = plan.time
    if time.film is None or time.clip is None or time.first is None:
        yield "time", time.source
        return
    yield "film", f"{time_in_words(time.film)} after the command (by {time.source})"
    order = "offline" if plan.offline else "online"
    yield "first clip", f"playable after {time_in_words(time.first)}, {order}"
    yield "pace", speed_in_words(time.clip, time.frames_a_second or 0)
    if time.carry and plan.carries:
        yield "its state", f"saved in {time_in_words(time.carry)}, behind the work"


def _room_table(plan: "Estimate") -> "RenderableType":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("")
    table.add_column("needed", justify="right")
    table.add_column("free", justify="right")
    table.add_column("", style="dim", overflow="fold")
    for room in plan.rooms:
        _add_room(table, room)
    return table


def _add_room(table: "RenderableType", room: "RoomNeed") -> None:
    from rich.table import Table
    from rich.text import Text

    assert isinstance(table, Table)
    colour = "green" if room.fits else "red"
    free = "not known" if room.free is None else format_bytes(room.free)
    table.add_row(
        Text(_TITLES[room.what], style="bold"),
        Text(format_bytes(room.total), style=f"bold {colour}"),
        free,
        room.note,
    )
    for name, size in sorted(room.parts.items(), key=lambda part: -part[1]):
        table.add_row(f"  {name}", format_bytes(size), "", "")
    if room.what == "disk":
        table.add_row(
            Text("  must be free at the start", style="dim"),
            Text(format_bytes(room.needed), style="dim"),
            "",
            "bounds; what auto may drop is not counted",
        )
    table.add_section()


def _verdict_lines(plan: "Estimate") -> Iterator["RenderableType"]:
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


def show_variants(variants: "tuple[PlanVariant, ...]") -> "RenderableType":
    """A table on a terminal: what each variant takes."""
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
            format_bytes(each.host),
            format_bytes(each.device) if each.device else "–",
            format_bytes(each.disk),
        )
        table.add_row(each.words, *cells, style=style)
    return table
