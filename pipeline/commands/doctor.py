"""longtake doctor: whether weights are whole."""

from pipeline.commands.command import Command, Parser, Verb, print_words
from storage.errors import ModelError
from storage.printable import spell_unprintable


def _run_doctor(command: Command) -> int:
    from pipeline.upkeep.doctor import examine_weights

    model, weights, lora = (command.options[name] for name in ("model", "weights", "lora"))
    found = examine_weights(str(model), str(weights or ""), str(lora) if lora else None)
    print_words("\n".join(map(spell_unprintable, found.lines)))
    return 0 if found.well else ModelError.exit_code


def _add_arguments(parser: Parser) -> None:
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


VERB = Verb(
    "doctor",
    "Whether a folder of weights is whole and fits its model, without loading it.",
    "longtake doctor --model live-avatar --weights ckpt",
    _add_arguments,
    _run_doctor,
)
