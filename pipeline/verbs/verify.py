"""longtake verify: whether a run is whole."""

import sys
from typing import TYPE_CHECKING

from pipeline.jsontext import plain, to_json
from pipeline.verb import Command, Parser, Verb, prepare, show
from pipeline.verbs.report import take_judges
from storage.errors import BadInput, BelowLevel, RunError

if TYPE_CHECKING:
    from pipeline.verify import Verification


def _act(command: Command) -> int:
    from pipeline import runs
    from pipeline.screens import show_verification

    if not command.options["quality"] and (idle := _judges_of(command)):
        raise BadInput(f"--{idle[0]} is asked with --quality: add it.")
    console = prepare(command)

    def tell(before: "Verification") -> None:
        show(show_verification(before, repairing=True), sys.stderr)

    if command.options["repair"]:
        found = runs.repair(command.path("run"), console, tell)
    else:
        found = runs.verify(command.path("run"), console)
    if command.options["quality"]:
        return _judge(command, found)
    if command.options["json"]:
        print(found.as_json())
    else:
        show(show_verification(found))
    return 0 if found.state == "whole" else RunError.exit_code


def _judges_of(command: Command) -> list[str]:
    return [name for name in ("syncnet", "likeness") if command.options[name]]


def _judge(command: Command, found: "Verification") -> int:
    """Whether it is whole, and whether it is good: damage first."""
    from pipeline import runs
    from pipeline.screens import show_quality, show_verification

    quality = runs.quality(
        command.path("run"), runs.judges_of(command.file("syncnet"), command.file("likeness"))
    )
    if command.options["json"]:
        print(to_json({**plain(found), "quality": quality}))
    else:
        show(show_verification(found))
        show(["", *show_quality(quality)])
    if found.state != "whole":
        return RunError.exit_code
    if quality.missed:
        raise BelowLevel(quality.film, len(quality.missed), command.path("run"))
    return 0


def _expect(parser: Parser) -> None:
    parser.take_run()
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
    take_judges(parser)
    parser.take_json()


VERB = Verb(
    "verify",
    "Whether a run is whole, byte by byte; what is broken, what that costs, and --repair.",
    "longtake verify runs/mine --repair",
    _expect,
    _act,
)
