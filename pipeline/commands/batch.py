"""longtake batch: the films of a table."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser, read_one_of
from pipeline.commands.command import (
    Command,
    Job,
    prepare_logging,
    print_result,
    print_words,
)
from storage.errors import BadOption, FilmsMissing, Interrupted, Terminated, count_noun
from storage.printable import spell_unprintable

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.batch.batch import BatchRequest, BatchResult

MOST_RETRIES, MOST_JOBS = 1000, 10_000


def prepare(command: Command) -> Job:
    """The table, the flags for all of its films, and what makes them."""
    from pipeline.batch.batch import BatchRequest, read_defaults
    from pipeline.batch.engine import EngineOptions

    for name, least, most in (("retries", 0, MOST_RETRIES), ("jobs", 1, MOST_JOBS)):
        number = command.number(name)
        if number is not None and not least <= number <= most:
            raise BadOption(f"--{name}", number, f"{least} to {most} is needed")
    if command.options["address"] and command.options["engine"] == "local":
        raise BadOption(
            "--address", command.options["address"], "it is of --engine luigi, ray or slurm"
        )
    retries = command.number("retries")
    request = BatchRequest(
        command.path("table"),
        str(command.options["runs"] or ""),
        read_defaults(command.given),
        BatchRequest.retries if retries is None else retries,
        EngineOptions(
            str(command.options["engine"]),
            command.number("jobs"),
            str(command.options["address"] or ""),
        ),
        look=command.has("look"),
    )
    page = command.file("report")
    if page is not None:
        from pipeline.batch.page import find_page

        find_page(page, request.table)
    return Job(partial(_make, request, prepare_logging(command)), partial(_show, command, page))


def _make(
    request: "BatchRequest", console: "Console | None"
) -> "tuple[BatchResult, frozenset[str]]":
    """What there is of the batch, and the places of the films that were told to be refused."""
    from pipeline.batch.batch import make_batch
    from pipeline.batch.screen import follow_batch

    def tell(line: str) -> None:
        print_words(spell_unprintable(line), sys.stderr)

    with follow_batch(console, tell) as listener:
        return make_batch(request, listener), listener.refused


def _show(command: Command, page: Path | None, done: "tuple[BatchResult, frozenset[str]]") -> int:
    """Print the table, and write the page. Raises what is to be the last line where not all films are there."""
    from pipeline.batch.screen import show_batch

    result, refused = done
    # Lines went to stderr, the table goes to stdout: on one terminal a reason is read once.
    on_one_terminal = sys.stdout.isatty() and sys.stderr.isatty()
    print_result(command, result, show_batch(result, refused if on_one_terminal else ()))
    if page is not None:
        from pipeline.batch.page import find_page, write_batch_page

        write_batch_page(result, find_page(page, result.table))
    if result.signal:
        kind = Terminated if result.signal == "SIGTERM" else Interrupted
        raise kind(result.signal, "the same command")
    if result.missing:
        raise FilmsMissing(result.missing, count_noun(len(result.films), "film"))
    return 0


def add_arguments(parser: Parser) -> None:
    """A table, how its films are made, and the flags for all of them."""
    from pipeline.batch.engine import ENGINES

    parser.usage = "longtake batch TABLE [flags] [flags of new, for all films]"
    parser.add_argument(
        "table",
        metavar="TABLE",
        help="A .csv or .jsonl: a line a film, a column (or key) a flag of new with underscores.",
    )
    parser.add_argument(
        "--runs",
        metavar="DIR",
        help="Where the runs lie that TABLE does not name, or a URL (runs beside it).",
    )
    parser.add_number(
        "--jobs", "N", "Films at once (1; elsewhere than here as many as there is room for)."
    )
    parser.add_number(
        "--retries", "N", "Further tries of a film that failed without a new clip (2)."
    )
    parser.add_argument(
        "--engine",
        type=read_one_of(*ENGINES),
        metavar="NAME",
        default="local",
        help=f"What hands the films out: {', '.join(ENGINES)}.",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="Where the engine is: HOST:PORT of a luigid (none: a scheduler of this command's own), of Ray its address, of Slurm the partition.",
    )
    parser.add_switch("--look", "Make nothing: only say what is there, and why the others are not.")
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="Also write one page about all films: a picture, length, pace and links of each.",
    )
    parser.add_json()
    parser.add_default_flags()
