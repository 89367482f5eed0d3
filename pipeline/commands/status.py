"""longtake status: what a run has, once or until it is done."""

import sys
from typing import TYPE_CHECKING

from pipeline.commands.command import (
    Command,
    Parser,
    Verb,
    is_drawable,
    make_console,
    prepare_logging,
    print_renderables,
    print_words,
)
from pipeline.monitor.streams import is_read
from storage.errors import Interrupted, Terminated, WorkFailed

if TYPE_CHECKING:
    from pipeline.monitor.status import Status


def _run_status(command: Command) -> int:
    from pipeline import api
    from pipeline.monitor.screens import show_status

    prepare_logging(command)
    if command.options["watch"]:
        return _watch_run(command)
    status = api.status(command.path("run"))
    if command.options["json"]:
        print(status.as_json())
    else:
        print_renderables(show_status(status))
    return 0


def _watch_run(command: Command) -> int:
    """0 when the film is done or nobody reads on, 4 when the run stands still without."""
    try:
        status = _last_status(command)
    except KeyboardInterrupt as stopped:
        print_words("longtake: No longer watching; the run goes on.", sys.stderr)
        kind = Terminated if str(stopped) == "SIGTERM" else Interrupted
        return kind.exit_code
    return 0 if status.state == "finished" or not is_read(sys.stdout) else WorkFailed.exit_code


def _last_status(command: Command) -> "Status":
    from pipeline.monitor import watch
    from tasks.open_run import open_run

    run, json = open_run(command.path("run")), bool(command.options["json"])
    if is_drawable(sys.stdout) and not json:
        return watch.show_live(run, make_console(sys.stdout))
    for status, line in watch.report_changes(run):
        print_words(status.as_json(indent=None) if json else line)
    return status


def _add_arguments(parser: Parser) -> None:
    parser.add_run()
    parser.add_argument(
        "--watch",
        action="store_true",
        help="Look on until the film is done or the run stands still: in place on a terminal, else a line a change.",
    )
    parser.add_json()


VERB = Verb(
    "status",
    "What a run has, how fast it goes, and where each setting came from.",
    "longtake status runs/mine --watch",
    _add_arguments,
    _run_status,
)
