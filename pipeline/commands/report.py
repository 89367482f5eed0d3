"""longtake report: one page about a film, or about several."""

from pathlib import Path

from pipeline.commands.command import (
    Command,
    Parser,
    Verb,
    prepare_logging,
    print_renderables,
    put_path,
)
from pipeline.json_output import to_json


def _run_report(command: Command) -> int:
    from pipeline import api
    from pipeline.monitor.screens import show_quality

    console = prepare_logging(command)
    words = command.options["films"]
    assert isinstance(words, list)
    made = api.report(
        [Path(word) for word in words],
        command.file("output_file"),
        overwrite=bool(command.options["overwrite"]),
        judges=api.choose_judges(command.file("syncnet"), command.file("likeness")),
        console=console,
    )
    if command.options["json"]:
        facts = [reading.as_dict() for reading in made.readings]
        print(to_json({"page": made.page, "films": facts}))
        return 0
    for reading in made.readings:
        print_renderables(show_quality(reading.quality, missed_only=True))
    put_path(made.page)
    return 0


def _add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "films",
        nargs="+",
        metavar="RUN",
        help="The folder of a run, or a film's file; several stand beside each other.",
    )
    parser.take_output("Where the page goes (report.html in the first RUN).")
    add_judges(parser)
    parser.add_json()


def add_judges(parser: Parser) -> None:
    """Weights that somebody else has trained to judge films."""
    parser.add_argument(
        "--syncnet", metavar="FILE", help="SyncNet's weights (syncnet_v2.model), for lips as well."
    )
    parser.add_argument(
        "--likeness", metavar="DIR", help="A folder of DINO's or CLIP's weights, for likeness."
    )


VERB = Verb(
    "report",
    "One page about a film: lips, drift, seams, pauses, sound, and its worst moments.",
    "longtake report runs/mine runs/other",
    _add_arguments,
    _run_report,
)
