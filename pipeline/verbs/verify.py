"""longtake verify: whether a run is whole."""

import sys
from typing import TYPE_CHECKING

from pipeline.verb import Command, Parser, Verb, prepare, show
from storage.errors import RunError

if TYPE_CHECKING:
    from pipeline.verify import Verification


def _act(command: Command) -> int:
    from pipeline import runs
    from pipeline.screens import show_verification

    console = prepare(command)

    def tell(before: "Verification") -> None:
        show(show_verification(before, repairing=True), sys.stderr)

    if command.options["repair"]:
        found = runs.repair(command.path("run"), console, tell)
    else:
        found = runs.verify(command.path("run"), console)
    if command.options["json"]:
        print(found.as_json())
    else:
        show(show_verification(found))
    return 0 if found.state == "whole" else RunError.exit_code


def _expect(parser: Parser) -> None:
    parser.take_run()
    parser.add_argument(
        "--repair",
        action="store_true",
        help="Make again exactly what is broken; the price is said first.",
    )
    parser.take_json()


VERB = Verb(
    "verify",
    "Whether a run is whole, byte by byte; what is broken, what that costs, and --repair.",
    "longtake verify runs/mine --repair",
    _expect,
    _act,
)
