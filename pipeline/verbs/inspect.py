"""longtake inspect: look into a run."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from pipeline.verb import Command, Parser, Verb, prepare, put, show, whole_number
from storage.errors import BadInput, RunError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType

PICTURES = ("step", "block", "decode", "replay", "terminal")
OUTPUT = ("output_file", "overwrite")
WAYS = {
    "hunt": (),
    "diff": (),
    "audio": ("clip", *OUTPUT),
    "clip": (*PICTURES, *OUTPUT),
    "film": OUTPUT,
}
"""Each way of looking, and what may be said with it; what is said first wins, and the whole film is what is left."""


class _Seen(Protocol):
    def as_json(self) -> str: ...


def _act(command: Command) -> int:
    acts = {"hunt": _hunt, "diff": _diff, "audio": _hear, "clip": _look, "film": _follow}
    return acts[_way(command)](command)


def _way(command: Command) -> str:
    """How to look; raises BadInput for what says nothing then."""
    given = {n for n in (*WAYS, *PICTURES, *OUTPUT) if _is_given(command.options.get(n))}
    way = next((name for name in WAYS if name in given), "film")
    if way in {"film", "audio"} and "clip" not in given and given & {*PICTURES, "audio"}:
        name = min(given & {*PICTURES, "audio"})
        raise BadInput(f"--{name} is about one clip: say which with --clip N.")
    for name in sorted(given - {way, *WAYS[way]}):
        raise BadInput(
            f"--{name.replace('_', '-')} says nothing with --{way}: leave one of them out."
        )
    return way


def _is_given(value: object) -> bool:
    return value is not None and value is not False


def _look(command: Command) -> int:
    from pipeline import runs
    from pipeline.inspection.clip import Look
    from pipeline.inspection.screen import show_inspection

    prepare(command)
    look = Look(
        clip=int(str(command.options["clip"])),
        step=command.number("step"),
        block=command.number("block"),
        output_file=command.file("output_file"),
        overwrite=bool(command.options["overwrite"]),
        decode=bool(command.options["decode"]),
        replay=bool(command.options["replay"]),
    )
    seen = runs.inspect(command.path("run"), look, _tell)
    _say(command, seen, show_inspection(seen))
    if command.options["terminal"] and not command.options["json"]:
        from pipeline.inspection.painter import in_terminal

        print(in_terminal(seen.shown, _columns()))
    return 0


def _follow(command: Command) -> int:
    from pipeline import runs
    from pipeline.inspection.screen import show_course

    with _watching(prepare(command)) as watch:
        target, over = command.file("output_file"), bool(command.options["overwrite"])
        seen = runs.follow(command.path("run"), target, watch, overwrite=over)
    _say(command, seen, show_course(seen))
    return 0


def _hunt(command: Command) -> int:
    from pipeline import runs
    from pipeline.inspection.screen import show_hunt

    with _watching(prepare(command)) as watch:
        seen = runs.hunt(command.path("run"), watch)
    _say(command, seen, show_hunt(seen))
    return RunError.exit_code if seen.found else 0


def _diff(command: Command) -> int:
    from pipeline import runs
    from pipeline.inspection.screen import show_comparison

    with _watching(prepare(command)) as watch:
        seen = runs.diff(command.path("run"), command.path("diff"), watch)
    _say(command, seen, show_comparison(seen))
    return 0 if seen.equal else RunError.exit_code


def _hear(command: Command) -> int:
    from pipeline import runs
    from pipeline.inspection.screen import show_hearing

    prepare(command)
    clip = int(str(command.options["clip"]))
    target, over = command.file("output_file"), bool(command.options["overwrite"])
    seen = runs.hear(command.path("run"), clip, target, overwrite=over)
    _say(command, seen, show_hearing(seen))
    return 0


def _say(command: Command, seen: _Seen, screen: "Iterable[RenderableType]") -> None:
    if command.options["json"]:
        print(seen.as_json())
    else:
        show(screen)


def _tell(line: str) -> None:
    put(line, sys.stderr)


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size((100, 40)).columns


@contextmanager
def _watching(console: "Console | None") -> Iterator[Callable[[int], None]]:
    """The clip that is looked at, on a terminal."""
    if console is None:
        yield lambda _: None
        return
    with console.status("looking") as line:
        yield lambda clip: line.update(f"looking at clip {clip}")


def _expect(parser: Parser) -> None:
    parser.take_run()
    add = parser.add_argument
    add(
        "--clip",
        type=whole_number,
        metavar="N",
        help="One clip, counted from 0; else the whole film.",
    )
    add(
        "--block",
        type=whole_number,
        metavar="B",
        help="This block of the clip only, counted from 0.",
    )
    add(
        "--step",
        type=whole_number,
        metavar="S",
        help="This step only, counted from 0; larger pictures. One that is not kept is made again, at a price said first.",
    )
    add(
        "--decode",
        action="store_true",
        help="Pictures by the model's own decoder, which is loaded.",
    )
    add(
        "--replay",
        action="store_true",
        help="Make the clip's steps again where they are not kept, into a scratch folder.",
    )
    add("--audio", action="store_true", help="What the model hears of the clip, beside the wave.")
    add(
        "--hunt",
        action="store_true",
        help="NaN and outliers in the whole run, each with clip, block, step and channel.",
    )
    add(
        "--diff",
        metavar="OTHER_RUN",
        help="Where two runs first differ, and by how much, stage by stage.",
    )
    add("--terminal", action="store_true", help="The picture in the terminal, too.")
    parser.take_output("Where the PNG goes (RUN-clipN.png in this folder).")
    parser.take_json()


VERB = Verb(
    "inspect",
    "What is in a run: latents as pictures (PNG) and numbers, drift, NaN, outliers; --diff OTHER_RUN.",
    "longtake inspect runs/mine --clip 3 --step 2",
    _expect,
    _act,
)
