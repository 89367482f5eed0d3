"""longtake retake: some clips again, with another seed."""

import sys
from typing import TYPE_CHECKING

from pipeline.commands.command import (
    Command,
    Parser,
    Verb,
    add_flag,
    prepare_logging,
    print_renderables,
    report_film,
    whole_number,
)
from pipeline.commands.keep_going import add_keep_going, flags_as_words, keep_going
from pipeline.commands.resume import SETTINGS

if TYPE_CHECKING:
    from pipeline.options.sources import GivenOptions
    from tasks.retake import RetakePlan, RetakeRequest


def _run_retake(command: Command) -> int:
    from pipeline import api
    from pipeline.monitor.screens import show_plan_of_retake, show_seams

    root = command.path("run")
    changes = _changed_settings(command)
    wish = _read_request(command, changes)
    if command.options["keep_going"]:
        from tasks.open_run import open_run
        from tasks.retake import choose_retake_folder

        target = wish.run or choose_retake_folder(open_run(root.resolve()), wish)
        return keep_going(command, _command_again(command, target), target)
    console = prepare_logging(command)

    def say_price(found: "RetakePlan", seconds: float | None) -> None:
        print_renderables([*show_plan_of_retake(found, seconds), *changes.told], sys.stderr)

    found = api.retake(
        root,
        wish,
        console=console,
        tell=say_price,
    )
    print_renderables(show_seams(found.seams), sys.stderr)
    return report_film(found.film)


def _changed_settings(command: Command) -> "GivenOptions":
    """Settings that shall be others than the old run's."""
    from pipeline.options.model_support import leave_out
    from pipeline.options.sources import GivenOptions, add_flags
    from storage.run import Run

    changes = GivenOptions()
    add_flags(changes, command.given)
    if changes.fields:
        leave_out(changes, Run.open(command.path("run")).spec.model)
    return changes


def _read_request(command: Command, changes: "GivenOptions") -> "RetakeRequest":
    from tasks.retake import RetakeRequest

    return RetakeRequest(
        clip=int(str(command.options["clip"])),
        until=command.number("until"),
        seed=command.number("seed"),
        run=command.file("new"),
        redecode=bool(command.options["redecode"]),
        accept_joint=bool(command.options["accept_joint"]),
        break_lock=bool(command.options["break_lock"]),
        settings=changes.fields,
        sources=changes.sources,
    )


def _command_again(command: Command, target: object) -> list[str]:
    """The command again, with the new run's folder named."""
    words = ["retake", str(command.path("run")), f"--run={target}"]
    for name in ("clip", "until", "seed"):
        if command.options[name] is not None:
            words.append(f"--{name}={command.options[name]}")
    if command.options["redecode"]:
        words.append("--redecode")
    return [*words, *flags_as_words(command)]


def _add_arguments(parser: Parser) -> None:
    parser.add_run()
    parser.usage = "longtake retake RUN --clip N [--until M] [--seed S] [--run NEW] [settings]"
    parser.add_argument(
        "--clip",
        type=whole_number,
        required=True,
        metavar="N",
        help="The first clip to make again, from 0.",
    )
    parser.add_argument(
        "--until",
        type=whole_number,
        metavar="M",
        help="Clips N to M-1 are made again; from clip M on it is the old film (to the end).",
    )
    parser.add_argument(
        "--seed", type=whole_number, metavar="S", help="The seed from clip N on (drawn, and said)."
    )
    parser.add_argument(
        "--run", dest="new", metavar="NEW", help="The new run's folder (RUN-clipN…, beside RUN)."
    )
    parser.add_argument(
        "--redecode",
        action="store_true",
        help="Decode old clips after M again, as far as the new past reaches: a softer join.",
    )
    parser.add_argument(
        "--accept-joint",
        action="store_true",
        help="Do it although another machine or version made the old film.",
    )
    add_keep_going(parser)
    group = parser.add_argument_group("settings of the new run, which decide no pixel")
    for flag in SETTINGS:
        add_flag(group, flag, flag.does)


VERB = Verb(
    "retake",
    "Some clips again with another seed, in a new run that shares all else with the old one.",
    "longtake retake runs/mine --clip 4 --until 6",
    _add_arguments,
    _run_retake,
)
