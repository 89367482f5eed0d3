"""longtake doctor: whether weights are whole."""

from functools import partial
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser
from pipeline.commands.command import Command, Job, print_words
from storage.errors import ModelError
from storage.printable import spell_unprintable

if TYPE_CHECKING:
    from pipeline.upkeep.doctor import Diagnosis


def prepare(command: Command) -> Job:
    """The folder, and of which model."""
    from pipeline.upkeep.doctor import examine_weights

    model, weights, lora = (command.options[name] for name in ("model", "weights", "lora"))
    words = str(model), str(weights or ""), str(lora) if lora else None
    return Job(partial(examine_weights, *words), _show_lines)


def _show_lines(found: "Diagnosis") -> int:
    print_words("\n".join(map(spell_unprintable, found.lines)))
    return 0 if found.well else ModelError.exit_code


def add_arguments(parser: Parser) -> None:
    """A model and its files."""
    parser.add_argument(
        "--model",
        default="live-avatar",
        metavar="NAME",
        help="live-avatar (the default) or wan-s2v.",
    )
    parser.add_argument(
        "--weights",
        metavar="DIR",
        help="The folder of the published weights, or owner/name as the hub calls it.",
    )
    parser.add_argument(
        "--lora", metavar="FILE", help="liveavatar.safetensors, where it does not lie with them."
    )
