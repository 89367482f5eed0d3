"""longtake whose: which id is hidden in a film."""

from functools import partial
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser
from pipeline.commands.command import Command, Job, prepare_logging, print_result
from storage.errors import NoWatermark

if TYPE_CHECKING:
    from pipeline.watermarking.screen import Answer


def prepare(command: Command) -> Job:
    """A film, and how what is found is shown."""
    from pipeline.watermarking.screen import ask_film

    console = prepare_logging(command)
    return Job(partial(ask_film, command.path("film"), console), partial(_show, command))


def _show(command: Command, answer: "Answer") -> int:
    """What is found, or NoWatermark: as grep's, the exit code says whether there is any."""
    from pipeline.watermarking.screen import show_answer, tell_time

    ids = answer.ids
    if ids.found or command.has("json"):
        print_result(command, answer, show_answer(answer))
    if not ids.found:
        raise NoWatermark(ids.film, tell_time(ids.seconds))
    return 0


def add_arguments(parser: Parser) -> None:
    """A film."""
    parser.add_argument(
        "film", metavar="FILE", help="A film, a picture of one, or the folder of a run."
    )
    parser.add_json()
