"""longtake accept: try it all with the real files."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser
from pipeline.commands.command import Command, Job, print_words, put_path

if TYPE_CHECKING:
    from pipeline.upkeep.accept import Acceptance, Check


def prepare(command: Command) -> Job:
    """The flags of a film, and where it is tried."""
    from pipeline.upkeep.accept import accept_model

    said = {name: word for flag, word in command.given for name in flag.fields}
    root = Path(said.get("run") or said.get("output_dir") or "runs/accept").absolute()
    return Job(partial(accept_model, command.given, root, _print_check), _show_page)


def _print_check(check: "Check") -> None:
    print_words(f"{'ok  ' if check.passed else 'FAIL'}  {check.what:24}  {check.found}")


def _show_page(found: "Acceptance") -> int:
    put_path(found.page)
    return 0 if found.passed else 1


def add_arguments(parser: Parser) -> None:
    """Those of `new`."""
    parser.add_film_flags()
