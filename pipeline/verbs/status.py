"""longtake status: what a run has, once or until it is done."""

import sys
from typing import TYPE_CHECKING

from pipeline.streams import is_read
from pipeline.verb import Command, Parser, Verb, is_drawable, prepare, put, show, terminal
from storage.errors import Interrupted, Terminated, WorkFailed

if TYPE_CHECKING:
    from pipeline.status import Status


def _act(command: Command) -> int:
    from pipeline import runs
    from pipeline.screens import show_status

    prepare(command)
    if command.options["watch"]:
        return _watch(command)
    status = runs.status(command.path("run"))
    if command.options["json"]:
        print(status.as_json())
    else:
        show(show_status(status))
    return 0


def _watch(command: Command) -> int:
    """0 when the film is done or nobody reads on, 4 when the run stands still without."""
    try:
        status = _last_of(command)
    except KeyboardInterrupt as stopped:
        put("longtake: No longer watching; the run goes on.", sys.stderr)
        kind = Terminated if str(stopped) == "SIGTERM" else Interrupted
        return kind.exit_code
    return 0 if status.state == "finished" or not is_read(sys.stdout) else WorkFailed.exit_code


def _last_of(command: Command) -> "Status":
    from pipeline import watch
    from tasks.opening import open_run

    run, json = open_run(command.path("run")), bool(command.options["json"])
    if is_drawable(sys.stdout) and not json:
        return watch.show(run, terminal(sys.stdout))
    for status, line in watch.tell(run):
        put(status.as_json(indent=None) if json else line)
    return status


def _expect(parser: Parser) -> None:
    parser.take_run()
    parser.add_argument(
        "--watch",
        action="store_true",
        help="Look on until the film is done or the run stands still: in place on a terminal, else a line a change.",
    )
    parser.take_json()


VERB = Verb(
    "status",
    "What a run has, how fast it goes, and where each setting came from.",
    "longtake status runs/mine --watch",
    _expect,
    _act,
)
