"""longtake status: what a run has, once or until it is done."""

import sys
from functools import partial
from typing import TYPE_CHECKING

from pipeline.commands.arguments import Parser
from pipeline.commands.command import (
    Command,
    Job,
    is_drawable,
    make_console,
    prepare_logging,
    print_result,
    print_words,
)
from pipeline.monitor.streams import is_read
from storage.errors import BadInput, Interrupted, Terminated, WorkFailed

if TYPE_CHECKING:
    from pipeline.monitor.status import Status
    from storage.run import Run


def prepare(command: Command) -> Job:
    """The run, and whether it is looked at once."""
    from pipeline.monitor.status import read_status
    from storage.remote.address import find_url
    from tasks.open_run import open_run
    from tasks.store_run import COUNTS

    prepare_logging(command)
    root = command.look_at_run(COUNTS)
    run = open_run(root)
    if command.has("watch"):
        if find_url(root) is not None:
            raise BadInput(
                "--watch looks at a folder of this machine: ask `longtake status` again."
            )
        return Job(partial(_watch_run, run, json=command.has("json")), int)
    return Job(partial(read_status, run), partial(_show_status, command))


def _show_status(command: Command, status: "Status") -> int:
    from pipeline.monitor.screens import show_status

    print_result(command, status, show_status(status))
    return 0


def _watch_run(run: "Run", *, json: bool) -> int:
    """0 when the film is done or nobody reads on, 4 when the run stands still without."""
    try:
        status = _last_status(run, json=json)
    except KeyboardInterrupt as stopped:
        print_words("longtake: No longer watching; the run goes on.", sys.stderr)
        kind = Terminated if str(stopped) == "SIGTERM" else Interrupted
        return kind.exit_code
    return 0 if status.state == "finished" or not is_read(sys.stdout) else WorkFailed.exit_code


def _last_status(run: "Run", *, json: bool) -> "Status":
    from pipeline.monitor import watch

    if is_drawable(sys.stdout) and not json:
        return watch.show_live(run, make_console(sys.stdout))
    for status, line in watch.report_changes(run):
        print_words(status.as_json(indent=None) if json else line)
    return status


def add_arguments(parser: Parser) -> None:
    """A run, and for how long."""
    parser.add_run()
    parser.add_switch(
        "--watch",
        "Look on until the film is done or the run stands still: in place on a terminal, else a line a change.",
    )
    parser.add_json()
