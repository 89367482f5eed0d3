"""A run looked at until its film is done or it stands still: in place on a terminal, a line a change elsewhere."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.monitor.panel import describe_device, draw_panel
from pipeline.monitor.progress import format_seconds_left
from pipeline.monitor.status import Status, StatusReader
from pipeline.monitor.streams import is_read
from storage.errors import count_noun
from storage.printable import spell_unprintable

if TYPE_CHECKING:
    from rich.console import Console

    from storage.run import Run

EVERY_SECONDS = 0.5
"""Seconds between two looks."""
STILL_SECONDS = 10.0
"""Seconds after its last event in which a run that nobody works on may be started again: --keep-going pauses, and a process takes its time."""


def follow_status(run: "Run") -> Iterator[Status]:
    """A run's status, again and again, until the film is done, the run stands still, or nobody reads stdout any more."""
    reader = StatusReader(run)
    while True:
        status = reader.read()
        yield status
        if is_over(status) or not is_read(sys.stdout):
            return
        time.sleep(EVERY_SECONDS)


def is_over(status: Status) -> bool:
    """True if nothing more will come of the run by itself."""
    if status.state == "working":
        return False
    return status.state == "finished" or status.quiet is None or status.quiet > STILL_SECONDS


def show_live(run: "Run", console: "Console") -> Status:
    """Draw a run's status in one place of a terminal until it is over; the last status."""
    from rich.live import Live

    # Drawn when there is something to draw, by this thread: a thread of rich's own would redraw the same.
    with Live(console=console, auto_refresh=False) as live:
        for status in follow_status(run):
            live.update(draw_panel(status), refresh=True)
    return status


def report_changes(run: "Run") -> Iterator[tuple[Status, str]]:
    """Each status of a run that differs from the one before, with a line about it."""
    before: object = None
    for status in follow_status(run):
        now = _progress_key(status)
        if now != before:
            yield status, format_line(status)
        before = now


def _progress_key(status: Status) -> object:
    # Before the first clip is there, as offline for the first half of the time, the denoiser's are all that changes.
    denoised = 0 if status.clips_done else status.clips_denoised
    stalls = status.stall is not None
    return status.state, status.clips_done, denoised, status.retries, status.fault, stalls


def format_line(status: Status) -> str:
    """A status in one line: `2026-11-22T08:01:02Z working 37/101 clips, 49.2 fps, 0:01:05 left`."""
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{when} {status.state} " + spell_unprintable(", ".join(_line_parts(status)))


def _line_parts(status: Status) -> Iterator[str]:
    yield f"{status.clips_done}/{count_noun(status.clips, 'clip')}"
    if not status.clips_done:
        yield f"{status.clips_denoised} denoised"
    if status.state == "working":
        if status.frames_a_second:
            yield f"{status.frames_a_second:.1f} fps"
        if status.eta is not None:
            yield f"{format_seconds_left(status.eta)} left"
        if card := describe_device(status.device):
            yield card
    if status.retries:
        yield count_noun(status.retries, "retry")
    for words in (status.fault, status.stall, status.film):
        if words:
            yield words
