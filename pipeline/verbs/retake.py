"""longtake retake: some clips again, with another seed."""

import sys
from typing import TYPE_CHECKING

from pipeline.keeping import keep_going, take_keeping, words_of
from pipeline.verb import Command, Parser, Verb, add_flag, prepare, show, tell, whole_number
from pipeline.verbs.resume import SETTINGS

if TYPE_CHECKING:
    from pipeline.settings import Wishes
    from tasks.retake import Plan, Wish


def _act(command: Command) -> int:
    from pipeline import runs
    from pipeline.screens import show_plan_of_retake, show_seams

    root = command.path("run")
    changes = _changes(command)
    wish = _wish(command, changes)
    if command.options["keep_going"]:
        from tasks.opening import open_run
        from tasks.retake import folder_of

        target = wish.run or folder_of(open_run(root.resolve()), wish)
        return keep_going(command, _words(command, target), target)
    console = prepare(command)

    def say_price(found: "Plan", seconds: float | None) -> None:
        show([*show_plan_of_retake(found, seconds), *changes.told], sys.stderr)

    found = runs.retake(
        root,
        wish,
        console=console,
        tell=say_price,
    )
    show(show_seams(found.seams), sys.stderr)
    return tell(found.film)


def _changes(command: Command) -> "Wishes":
    """Settings that shall be others than the old run's."""
    from pipeline.fitting import leave_out
    from pipeline.settings import Wishes, add_flags
    from storage.run import Run

    changes = Wishes()
    add_flags(changes, command.given)
    if changes.fields:
        leave_out(changes, Run.open(command.path("run")).spec.model)
    return changes


def _wish(command: Command, changes: "Wishes") -> "Wish":
    from tasks.retake import Wish

    return Wish(
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


def _words(command: Command, target: object) -> list[str]:
    """The command again, with the new run's folder named."""
    words = ["retake", str(command.path("run")), f"--run={target}"]
    for name in ("clip", "until", "seed"):
        if command.options[name] is not None:
            words.append(f"--{name}={command.options[name]}")
    if command.options["redecode"]:
        words.append("--redecode")
    return [*words, *words_of(command)]


def _expect(parser: Parser) -> None:
    parser.take_run()
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
    take_keeping(parser)
    group = parser.add_argument_group("settings of the new run, which decide no pixel")
    for flag in SETTINGS:
        add_flag(group, flag, flag.does)


VERB = Verb(
    "retake",
    "Some clips again with another seed, in a new run that shares all else with the old one.",
    "longtake retake runs/mine --clip 4 --until 6",
    _expect,
    _act,
)
