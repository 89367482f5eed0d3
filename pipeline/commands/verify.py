"""longtake verify: whether a run is whole."""

import sys
from typing import TYPE_CHECKING

from pipeline.commands.command import Command, Parser, Verb, prepare_logging, print_renderables
from pipeline.commands.report import add_judges
from pipeline.json_output import to_json, to_plain
from storage.errors import BadInput, BelowLevel, RunError

if TYPE_CHECKING:
    from pipeline.upkeep.verify import Verification


def _run_verify(command: Command) -> int:
    from pipeline import api
    from pipeline.monitor.screens import show_verification

    if not command.options["quality"] and (idle := _judges_of(command)):
        raise BadInput(f"--{idle[0]} is asked with --quality: add it.")
    console = prepare_logging(command)

    def tell(before: "Verification") -> None:
        print_renderables(show_verification(before, repairing=True), sys.stderr)

    if command.options["repair"]:
        found = api.repair(command.path("run"), console, tell)
    else:
        found = api.verify(command.path("run"), console)
    if command.options["quality"]:
        return _judge_quality(command, found)
    if command.options["json"]:
        print(found.as_json())
    else:
        print_renderables(show_verification(found))
    return 0 if found.state == "whole" else RunError.exit_code


def _judges_of(command: Command) -> list[str]:
    return [name for name in ("syncnet", "likeness") if command.options[name]]


def _judge_quality(command: Command, found: "Verification") -> int:
    """Whether it is whole, and whether it is good: damage first."""
    from pipeline import api
    from pipeline.monitor.screens import show_quality, show_verification

    quality = api.quality(
        command.path("run"), api.choose_judges(command.file("syncnet"), command.file("likeness"))
    )
    if command.options["json"]:
        print(to_json({**to_plain(found), "quality": quality}))
    else:
        print_renderables(show_verification(found))
        print_renderables(["", *show_quality(quality)])
    if found.state != "whole":
        return RunError.exit_code
    if quality.missed:
        raise BelowLevel(quality.film, len(quality.missed), command.path("run"))
    return 0


def _add_arguments(parser: Parser) -> None:
    parser.add_run()
    parser.add_argument(
        "--repair",
        action="store_true",
        help="Make again exactly what is broken; the price is said first.",
    )
    parser.add_argument(
        "--quality",
        action="store_true",
        help="Also whether the film is good: lips, drift, seams, pauses, sound (code 7: not).",
    )
    add_judges(parser)
    parser.add_json()


VERB = Verb(
    "verify",
    "Whether a run is whole, byte by byte; what is broken, what that costs, and --repair.",
    "longtake verify runs/mine --repair",
    _add_arguments,
    _run_verify,
)
