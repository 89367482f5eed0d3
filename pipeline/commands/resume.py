"""longtake resume: go on with a run."""

import os
from dataclasses import fields
from pathlib import Path

from pipeline.commands.command import Command, Parser, Verb, add_flag, prepare_logging, report_film
from pipeline.commands.keep_going import add_keep_going, flags_as_words, keep_going
from pipeline.options.flags import FLAGS
from pipeline.sinks import attach_sinks
from pipeline.sinks.address import KEY, add_events_to, choose_addresses
from storage.spec import Settings

_SETTABLE = {each.name for each in fields(Settings)} - {"asked_size", "output_file"}
OUTPUT = tuple(flag for flag in FLAGS if flag.name in {"output-file", "overwrite"})
SETTINGS = tuple(flag for flag in FLAGS if flag.fields and _SETTABLE.issuperset(flag.fields))
"""What may change while a film is made."""


def _run_resume(command: Command) -> int:
    from pipeline import api
    from pipeline.options import sources
    from storage.lock import break_held_lock

    if command.options["keep_going"]:
        root = command.path("run")
        return keep_going(command, ["resume", str(root), *flags_as_words(command)], root)
    changes = sources.GivenOptions()
    sources.add_flags(changes, command.given)
    console, root = prepare_logging(command), command.path("run")
    if command.options["break_lock"]:
        break_held_lock(root)
    joint = bool(command.options["accept_joint"])
    with attach_sinks(choose_addresses(command.options[KEY], os.environ, Path.cwd())):
        film = api.resume(root, console=console, accept_joint=joint, changes=changes)
    return report_film(film)


def _add_arguments(parser: Parser) -> None:
    parser.add_run()
    parser.usage = "longtake resume RUN [settings]"
    parser.add_argument(
        "--accept-joint",
        action="store_true",
        help="Go on although another machine or version began it.",
    )
    add_keep_going(parser)
    add_events_to(parser)
    for flag in OUTPUT:
        add_flag(parser, flag, flag.does)
    group = parser.add_argument_group("settings from now on, which decide no pixel")
    for flag in SETTINGS:
        add_flag(group, flag, flag.does)


VERB = Verb(
    "resume",
    "Go on with a run.",
    "longtake resume runs/mine",
    _add_arguments,
    _run_resume,
)
