"""longtake verify: whether a run is whole."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser
from pipeline.commands.command import (
    Command,
    Job,
    prepare_logging,
    print_renderables,
    print_result,
)
from pipeline.json_output import to_json, to_plain
from storage.errors import BadInput, BelowLevel, RunError

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.signing.file_check import FileCheck
    from pipeline.upkeep.verify import Verification
    from storage.run import Run


def prepare(command: Command) -> Job:
    """The run, whether it is only looked at, and how it is judged."""
    from pipeline.upkeep.verify import verify_run
    from tasks.open_run import open_run
    from tasks.store_run import EVERYTHING

    judges = [name for name in ("syncnet", "likeness") if command.options[name]]
    if judges and not command.has("quality"):
        raise BadInput(f"--{judges[0]} is asked with --quality: add it.")
    console, path = prepare_logging(command), command.path("run")
    if path.is_file():
        return _look_at_file(command, path)
    run = open_run(command.look_at_run(EVERYTHING))
    work = (
        partial(_repair_held, run, console)
        if command.has("repair")
        else partial(verify_run, run, console)
    )
    return Job(work, partial(_judge_film if command.has("quality") else _show_state, command))


def _repair_held(run: "Run", console: "Console | None") -> "Verification":
    from pipeline.monitor.held_run import hold_run
    from pipeline.upkeep.verify import repair_run

    with hold_run(run.root, begun=True):
        return repair_run(run, console, _show_price)


def _look_at_file(command: Command, path: Path) -> Job:
    """A film by itself: its marks and its signature."""
    from pipeline.signing.file_check import check_file

    if asked := [name for name in ("repair", "quality") if command.has(name)]:
        raise BadInput(f"--{asked[0]} is asked of a run, and {path} is a film.")
    return Job(partial(check_file, path), partial(_show_file, command))


def _show_file(command: Command, found: "FileCheck") -> int:
    from pipeline.signing.file_check import show_file

    print_result(command, found, show_file(found))
    return 0 if found.is_good else RunError.exit_code


def _show_price(before: "Verification") -> None:
    from pipeline.monitor.screens import show_verification

    print_renderables(show_verification(before, repairing=True), sys.stderr)


def _show_state(command: Command, found: "Verification") -> int:
    from pipeline.monitor.screens import show_verification

    print_result(command, found, show_verification(found))
    whole = found.state == "whole" and (found.signature is None or found.signature.holds)
    return 0 if whole else RunError.exit_code


def _judge_film(command: Command, found: "Verification") -> int:
    """Whether it is whole, and whether it is good: damage first."""
    from pipeline.monitor.screens import show_quality, show_verification
    from pipeline.quality.external_judges import Judges
    from pipeline.report.reading import read_film

    judges = Judges(command.file("syncnet"), command.file("likeness"))
    quality = read_film(command.path("run"), judges=judges).quality
    if command.has("json"):
        print(to_json({**to_plain(found), "quality": quality}))
    else:
        print_renderables(show_verification(found))
        print_renderables(["", *show_quality(quality)])
    if found.state != "whole":
        return RunError.exit_code
    if quality.missed:
        raise BelowLevel(quality.film, len(quality.missed), command.path("run"))
    return 0


def add_arguments(parser: Parser) -> None:
    """A run, and what is done about it."""
    parser.add_argument("run", metavar="RUN", help="The folder of the run, or a film.")
    parser.add_switch("--repair", "Make again exactly what is broken; the price is said first.")
    parser.add_switch(
        "--quality",
        "Also whether the film is good: lips, face, drift, seams, pauses, sound (code 7: not).",
    )
    parser.add_judges()
    parser.add_json()
