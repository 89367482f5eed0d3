"""longtake resume: go on with a run."""

import os
from dataclasses import fields
from pathlib import Path

from pipeline.flags import FLAGS
from pipeline.keeping import keep_going, take_keeping, words_of
from pipeline.sinks import attached
from pipeline.sinks.address import KEY, chosen, take_events
from pipeline.verb import Command, Parser, Verb, add_flag, prepare, tell
from storage.spec import Settings

_SET = {each.name for each in fields(Settings)} - {"asked_size", "output_file"}
OUTPUT = tuple(flag for flag in FLAGS if flag.name in {"output-file", "overwrite"})
SETTINGS = tuple(flag for flag in FLAGS if flag.fields and _SET.issuperset(flag.fields))
"""What may change while a film is made."""


def _act(command: Command) -> int:
    from pipeline import runs, settings
    from storage.lock import break_held

    if command.options["keep_going"]:
        root = command.path("run")
        return keep_going(command, ["resume", str(root), *words_of(command)], root)
    changes = settings.Wishes()
    settings.add_flags(changes, command.given)
    console, root = prepare(command), command.path("run")
    if command.options["break_lock"]:
        break_held(root)
    joint = bool(command.options["accept_joint"])
    with attached(chosen(command.options[KEY], os.environ, Path.cwd())):
        film = runs.resume(root, console=console, accept_joint=joint, changes=changes)
    return tell(film)


def _expect(parser: Parser) -> None:
    parser.take_run()
    parser.usage = "longtake resume RUN [settings]"
    parser.add_argument(
        "--accept-joint",
        action="store_true",
        help="Go on although another machine or version began it.",
    )
    take_keeping(parser)
    take_events(parser)
    for flag in OUTPUT:
        add_flag(parser, flag, flag.does)
    group = parser.add_argument_group("settings from now on, which decide no pixel")
    for flag in SETTINGS:
        add_flag(group, flag, flag.does)


VERB = Verb(
    "resume",
    "Go on with a run.",
    "longtake resume runs/mine",
    _expect,
    _act,
)
