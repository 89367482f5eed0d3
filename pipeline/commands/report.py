"""longtake report: one page about a film, or about several."""

from functools import partial
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser
from pipeline.commands.command import (
    Command,
    Job,
    prepare_logging,
    print_renderables,
    put_path,
)
from pipeline.json_output import to_json

if TYPE_CHECKING:
    from pipeline.report.write import Report


def prepare(command: Command) -> Job:
    """The films, and where the page goes."""
    from pipeline.quality.external_judges import Judges
    from pipeline.report.reading import Target
    from pipeline.report.write import write_report
    from tasks.store_run import EVERYTHING, look_at_store_run

    films = command.paths("films")
    for path in films:
        look_at_store_run(path, EVERYTHING)
    writing = partial(
        write_report,
        films,
        Target(command.file("output_file"), command.has("overwrite")),
        judges=Judges(command.file("syncnet"), command.file("likeness")),
        console=prepare_logging(command),
    )
    return Job(writing, partial(_show_page, command))


def _show_page(command: Command, made: "Report") -> int:
    from pipeline.monitor.screens import show_quality

    if command.has("json"):
        facts = [reading.as_dict() for reading in made.readings]
        print(to_json({"page": made.page, "films": facts}))
        return 0
    for reading in made.readings:
        print_renderables(show_quality(reading.quality, missed_only=True))
    put_path(made.page)
    return 0


def add_arguments(parser: Parser) -> None:
    """Films, and what judges them."""
    parser.add_argument(
        "films",
        nargs="+",
        metavar="RUN",
        help="The folder of a run, or a film's file; several stand beside each other.",
    )
    parser.add_output("Where the page goes (report.html in the first RUN).")
    parser.add_judges()
    parser.add_json()
