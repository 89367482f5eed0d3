"""longtake resume: go on with a run."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser, read_one_of
from pipeline.commands.command import (
    Command,
    Job,
    prepare_logging,
    print_words,
    read_progress,
    report_film,
    switch_live_on,
)
from pipeline.commands.keep_going import flags_as_words, keep_going
from pipeline.push.address import add_push
from pipeline.sinks.address import add_events_to
from storage.errors import count_noun

if TYPE_CHECKING:
    from pipeline.results import FinishedFilm


def prepare(command: Command) -> Job:
    """The run, and what changes from now on."""
    from pipeline import api
    from pipeline.options.given_options import GivenOptions
    from pipeline.options.sources import add_flags
    from storage.lock import break_held_lock

    root = command.path("run")
    if command.options["stages"]:
        return _decode_for_others(command, root)
    switch_live_on(command)
    if command.has("keep_going"):
        return keep_going(command, ["resume", str(root), *flags_as_words(command)], root)
    changes = GivenOptions()
    add_flags(changes, command.given)
    if command.has("break_lock"):
        break_held_lock(root)
    making = partial(
        api.resume,
        root,
        progress=read_progress(command),
        accept_joint=command.has("accept_joint"),
        changes=changes,
    )
    by_force = command.has("break_lock")
    return Job(partial(_resume_held, root, making, by_force=by_force), report_film)


def _decode_for_others(command: Command, root: Path) -> Job:
    from pipeline.monitor.held_run import decode_run

    prepare_logging(command)
    return Job(partial(decode_run, root), partial(_report_decoded, root))


def _report_decoded(root: Path, clips: int | None) -> int:
    from storage.names import VIDEO
    from storage.remote.address import name_run

    said = (
        f"Nothing is left to decode, the film is whole: {name_run(root)}/{VIDEO}"
        if clips is None
        else f"{count_noun(clips, 'clip')} decoded for the machine that makes the film"
    )
    print_words(said, sys.stderr)
    return 0


def _resume_held(
    root: Path, making: "Callable[[], FinishedFilm]", *, by_force: bool
) -> "FinishedFilm":
    from pipeline.monitor.held_run import hold_run

    with hold_run(root, by_force=by_force, begun=True):
        return making()


def add_arguments(parser: Parser) -> None:
    """A run, and what may change."""
    parser.add_run()
    parser.usage = "longtake resume RUN [settings]"
    parser.add_switch("--accept-joint", "Go on although another machine or version began it.")
    parser.add_argument(
        "--stages",
        type=read_one_of("decode"),
        metavar="decode",
        help="Only decode clips, for the machine that makes the film of a run at a URL with --offline.",
    )
    parser.add_keep_going()
    add_events_to(parser)
    add_push(parser)
    parser.add_output_flags()
    parser.add_settings("settings from now on, which decide no pixel")
