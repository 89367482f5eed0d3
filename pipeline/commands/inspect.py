"""longtake inspect: look into a run."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from pipeline.commands.command import (
    Command,
    Parser,
    Verb,
    prepare_logging,
    print_renderables,
    print_words,
    whole_number,
)
from storage.errors import BadInput, RunError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, RenderableType

PICTURES = ("step", "block", "decode", "replay", "terminal")
OUTPUT = ("output_file", "overwrite")
VIEWS = {
    "hunt": (),
    "diff": (),
    "audio": ("clip", *OUTPUT),
    "clip": (*PICTURES, *OUTPUT),
    "film": OUTPUT,
}
"""Each way of looking, and what may be said with it; what is said first wins, and the whole film is what is left."""


class _Shown(Protocol):
    def as_json(self) -> str: ...


def _run_inspect(command: Command) -> int:
    acts = {
        "hunt": _find_anomalies,
        "diff": _compare_runs,
        "audio": _inspect_audio,
        "clip": _inspect_clip,
        "film": _inspect_film,
    }
    return acts[_choose_view(command)](command)


def _choose_view(command: Command) -> str:
    """How to look; raises BadInput for what says nothing then."""
    given = {n for n in (*VIEWS, *PICTURES, *OUTPUT) if _is_given(command.options.get(n))}
    way = next((name for name in VIEWS if name in given), "film")
    if way in {"film", "audio"} and "clip" not in given and given & {*PICTURES, "audio"}:
        name = min(given & {*PICTURES, "audio"})
        raise BadInput(f"--{name} is about one clip: say which with --clip N.")
    for name in sorted(given - {way, *VIEWS[way]}):
        raise BadInput(
            f"--{name.replace('_', '-')} says nothing with --{way}: leave one of them out."
        )
    return way


def _is_given(value: object) -> bool:
    return value is not None and value is not False


def _inspect_clip(command: Command) -> int:
    from pipeline import api
    from pipeline.inspection.clip import ClipView
    from pipeline.inspection.screen import show_inspection

    prepare_logging(command)
    look = ClipView(
        clip=int(str(command.options["clip"])),
        step=command.number("step"),
        block=command.number("block"),
        output_file=command.file("output_file"),
        overwrite=bool(command.options["overwrite"]),
        decode=bool(command.options["decode"]),
        replay=bool(command.options["replay"]),
    )
    seen = api.inspect(command.path("run"), look, _print_line)
    _print_shown(command, seen, show_inspection(seen))
    if command.options["terminal"] and not command.options["json"]:
        from pipeline.inspection.latent_pictures import render_in_terminal

        print(render_in_terminal(seen.shown, _terminal_columns()))
    return 0


def _inspect_film(command: Command) -> int:
    from pipeline import api
    from pipeline.inspection.screen import show_overview

    with _looking_progress(prepare_logging(command)) as watch:
        target, over = command.file("output_file"), bool(command.options["overwrite"])
        seen = api.inspect_film(command.path("run"), target, watch, overwrite=over)
    _print_shown(command, seen, show_overview(seen))
    return 0


def _find_anomalies(command: Command) -> int:
    from pipeline import api
    from pipeline.inspection.screen import show_anomalies

    with _looking_progress(prepare_logging(command)) as watch:
        seen = api.find_anomalies(command.path("run"), watch)
    _print_shown(command, seen, show_anomalies(seen))
    return RunError.exit_code if seen.found else 0


def _compare_runs(command: Command) -> int:
    from pipeline import api
    from pipeline.inspection.screen import show_comparison

    with _looking_progress(prepare_logging(command)) as watch:
        seen = api.diff(command.path("run"), command.path("diff"), watch)
    _print_shown(command, seen, show_comparison(seen))
    return 0 if seen.equal else RunError.exit_code


def _inspect_audio(command: Command) -> int:
    from pipeline import api
    from pipeline.inspection.screen import show_audio

    prepare_logging(command)
    clip = int(str(command.options["clip"]))
    target, over = command.file("output_file"), bool(command.options["overwrite"])
    seen = api.inspect_audio(command.path("run"), clip, target, overwrite=over)
    _print_shown(command, seen, show_audio(seen))
    return 0


def _print_shown(command: Command, seen: _Shown, screen: "Iterable[RenderableType]") -> None:
    if command.options["json"]:
        print(seen.as_json())
    else:
        print_renderables(screen)


def _print_line(line: str) -> None:
    print_words(line, sys.stderr)


def _terminal_columns() -> int:
    import shutil

    return shutil.get_terminal_size((100, 40)).columns


@contextmanager
def _looking_progress(console: "Console | None") -> Iterator[Callable[[int], None]]:
    """The clip that is looked at, on a terminal."""
    if console is None:
        yield lambda _: None
        return
    with console.status("looking") as line:
        yield lambda clip: line.update(f"looking at clip {clip}")


def _add_arguments(parser: Parser) -> None:
    parser.add_run()
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
    parser.add_json()


VERB = Verb(
    "inspect",
    "What is in a run: latents as pictures (PNG) and numbers, drift, NaN, outliers; --diff OTHER_RUN.",
    "longtake inspect runs/mine --clip 3 --step 2",
    _add_arguments,
    _run_inspect,
)
