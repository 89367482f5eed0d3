"""longtake inspect: look into a run."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser
from pipeline.commands.command import Command, Job, prepare_logging, print_result, print_words
from storage.errors import BadInput, RunError

if TYPE_CHECKING:
    from rich.console import Console

    from storage.run import Run

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


def prepare(command: Command) -> Job:
    """The run, and how it is looked at."""
    from storage.run import Run
    from tasks.store_run import EVERYTHING

    looks = {
        "hunt": _find_anomalies,
        "diff": _compare_runs,
        "audio": _inspect_audio,
        "clip": _inspect_clip,
        "film": _inspect_film,
    }
    look = looks[_choose_view(command)]
    console = prepare_logging(command)
    return Job(partial(look, Run.open(command.look_at_run(EVERYTHING)), command, console), int)


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


def _inspect_clip(run: "Run", command: Command, _console: "Console | None") -> int:
    from pipeline.inspection.clip import ClipView, inspect_clip
    from pipeline.inspection.latent_pictures import render_in_terminal
    from pipeline.inspection.screen import show_inspection

    view = ClipView(
        clip=int(str(command.options["clip"])),
        step=command.number("step"),
        block=command.number("block"),
        output_file=command.file("output_file"),
        overwrite=command.has("overwrite"),
        decode=command.has("decode"),
        replay=command.has("replay"),
    )
    seen = inspect_clip(run, view, _print_line)
    print_result(command, seen, show_inspection(seen))
    if command.has("terminal") and not command.has("json"):
        print(render_in_terminal(seen.shown, shutil.get_terminal_size((100, 40)).columns))
    return 0


def _inspect_film(run: "Run", command: Command, console: "Console | None") -> int:
    from pipeline.inspection.overview import survey_film
    from pipeline.inspection.screen import show_overview

    with _looking_progress(console) as watch:
        target, over = command.file("output_file"), command.has("overwrite")
        seen = survey_film(run, target, watch, overwrite=over)
    print_result(command, seen, show_overview(seen))
    return 0


def _find_anomalies(run: "Run", command: Command, console: "Console | None") -> int:
    from pipeline.inspection.hunt import find_anomalies
    from pipeline.inspection.screen import show_anomalies

    with _looking_progress(console) as watch:
        seen = find_anomalies(run, watch)
    print_result(command, seen, show_anomalies(seen))
    return RunError.exit_code if seen.found else 0


def _compare_runs(run: "Run", command: Command, console: "Console | None") -> int:
    from pipeline.inspection.diff import compare_runs
    from pipeline.inspection.screen import show_comparison
    from storage.run import Run
    from tasks.store_run import EVERYTHING

    with _looking_progress(console) as watch:
        seen = compare_runs(run, Run.open(command.look_at_run(EVERYTHING, "diff")), watch)
    print_result(command, seen, show_comparison(seen))
    return 0 if seen.equal else RunError.exit_code


def _inspect_audio(run: "Run", command: Command, _console: "Console | None") -> int:
    from pipeline.inspection.audio_view import view_audio
    from pipeline.inspection.screen import show_audio

    clip = int(str(command.options["clip"]))
    target, over = command.file("output_file"), command.has("overwrite")
    seen = view_audio(run, clip, target, overwrite=over)
    print_result(command, seen, show_audio(seen))
    return 0


def _print_line(line: str) -> None:
    print_words(line, sys.stderr)


@contextmanager
def _looking_progress(console: "Console | None") -> Iterator[Callable[[int], None]]:
    """The clip that is looked at, on a terminal."""
    if console is None:
        yield lambda _: None
        return
    with console.status("looking") as line:
        yield lambda clip: line.update(f"looking at clip {clip}")


def add_arguments(parser: Parser) -> None:
    """A run, and how it is looked at."""
    parser.add_run()
    parser.add_number("--clip", "N", "One clip, counted from 0; else the whole film.")
    parser.add_number("--block", "B", "This block of the clip only, counted from 0.")
    parser.add_number(
        "--step",
        "S",
        "This step only, counted from 0; larger pictures. One that is not kept is made again, at a price said first.",
    )
    parser.add_switch("--decode", "Pictures by the model's own decoder, which is loaded.")
    parser.add_switch(
        "--replay",
        "Make the clip's steps again where they are not kept, into a scratch folder.",
    )
    parser.add_switch("--audio", "What the model hears of the clip, beside the wave.")
    parser.add_switch(
        "--hunt", "NaN and outliers in the whole run, each with clip, block, step and channel."
    )
    parser.add_argument(
        "--diff",
        metavar="OTHER_RUN",
        help="Where two runs first differ, and by how much, stage by stage.",
    )
    parser.add_switch("--terminal", "The picture in the terminal, too.")
    parser.add_output("Where the PNG goes (RUN-clipN.png in this folder).")
    parser.add_json()
