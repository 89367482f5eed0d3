"""longtake resume: go on with a run."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser
from pipeline.commands.command import (
    Command,
    Job,
    read_progress,
    report_film,
    switch_live_on,
)
from pipeline.commands.keep_going import flags_as_words, keep_going
from pipeline.push.address import add_push
from pipeline.sinks.address import add_events_to

if TYPE_CHECKING:
    from pipeline.results import FinishedFilm


def prepare(command: Command) -> Job:
    """The run, and what changes from now on."""
    from pipeline import api
    from pipeline.options.sources import GivenOptions, add_flags
    from storage.lock import break_held_lock

    root = command.path("run")
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
    parser.add_keep_going()
    add_events_to(parser)
    add_push(parser)
    parser.add_output_flags()
    parser.add_settings("settings from now on, which decide no pixel")
