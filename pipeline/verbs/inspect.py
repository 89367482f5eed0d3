"""longtake inspect: look into a run."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from pipeline.verb import Command, Parser, Verb, prepare, show
from storage.errors import BadInput, RunError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType

WAYS = ("hunt", "diff", "audio")
OF_A_CLIP = ("block", "step", "decode", "replay", "audio", "terminal")


class _Seen(Protocol):
    def as_json(self) -> str: ...


def _act(command: Command) -> int:
    _check(command)
    console = prepare(command)
    way = next((name for name in WAYS if command.options[name]), None)
    if way is None:
        way = "film" if command.options["clip"] is None else "clip"
    return {"hunt": _hunt, "diff": _diff, "audio": _hear, "film": _follow, "clip": _look}[way](
        command, console
    )


def _check(command: Command) -> None:
    given = [name for name in WAYS if command.options[name]]
    if len(given) > 1:
        raise BadInput(f"--{given[0]} and --{given[1]} are two ways of looking: take one.")
    if command.options["clip"] is None:
        for name in OF_A_CLIP:
            if command.options[name] not in (None, False):
                raise BadInput(f"--{name} is about one clip: say which with --clip N.")


def _look(command: Command, console: "Console | None") -> int:
    from pipeline import runs
    from pipeline.inspection.clip import Look
    from pipeline.inspection.screen import show_inspection

    del console
    look = Look(
        clip=int(str(command.options["clip"])),
        step=command.number("step"),
        block=command.number("block"),
        output_file=command.file("output_file"),
        decode=bool(command.options["decode"]),
        replay=bool(command.options["replay"]),
    )
    seen = runs.inspect(command.path("run"), look, _tell)
    _say(command, seen, show_inspection(seen))
    if command.options["terminal"] and not command.options["json"]:
        from pipeline.inspection.painter import in_terminal

        print(in_terminal(seen.shown, _columns()))
    return 0


def _follow(command: Command, console: "Console | None") -> int:
    from pipeline import runs
    from pipeline.inspection.screen import show_course

    with _watching(console) as watch:
        seen = runs.follow(command.path("run"), command.file("output_file"), watch)
    _say(command, seen, show_course(seen))
    return 0


def _hunt(command: Command, console: "Console | None") -> int:
    from pipeline import runs
    from pipeline.inspection.screen import show_hunt

    with _watching(console) as watch:
        seen = runs.hunt(command.path("run"), watch)
    _say(command, seen, show_hunt(seen))
    return RunError.exit_code if seen.found else 0


def _diff(command: Command, console: "Console | None") -> int:
    from pipeline import runs
    from pipeline.inspection.screen import show_comparison

    with _watching(console) as watch:
        seen = runs.diff(command.path("run"), command.path("diff"), watch)
    _say(command, seen, show_comparison(seen))
    return 0 if seen.equal else RunError.exit_code


def _hear(command: Command, console: "Console | None") -> int:
    from pipeline import runs
    from pipeline.inspection.screen import show_hearing

    del console
    clip = int(str(command.options["clip"]))
    seen = runs.hear(command.path("run"), clip, command.file("output_file"))
    _say(command, seen, show_hearing(seen))
    return 0


def _say(command: Command, seen: _Seen, screen: "Iterable[RenderableType]") -> None:
    if command.options["json"]:
        print(seen.as_json())
    else:
        show(screen)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


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
    add("--clip", type=int, metavar="N", help="One clip, counted from 0; else the whole film.")
    add("--block", type=int, metavar="B", help="This block of the clip only, counted from 0.")
    add(
        "--step",
        type=int,
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
    add("--output-file", metavar="FILE", help="Where the PNG goes (RUN-clipN.png in this folder).")
    parser.take_json()


VERB = Verb(
    "inspect",
    "What is in a run: latents as pictures (PNG) and numbers, drift, NaN, outliers; --diff OTHER_RUN.",
    "longtake inspect runs/mine --clip 3 --step 2",
    _expect,
    _act,
)
