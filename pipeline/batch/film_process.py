"""One film of a table, made by a process of its own, and by another where that one ended before its time."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from pipeline.batch.film_order import FilmEnding, FilmOrder
from pipeline.upkeep.fork_server import FORK_SERVER, ForkedProcess
from pipeline.upkeep.supervisor import LONGEST_PAUSE, count_finished_stages, may_pass
from storage.errors import LongtakeError, NotWritable
from storage.lock import find_local_holder

EVERY_SECONDS = 0.2
"""Between two looks at a process, and at whether it is to stop."""
PATIENCE = 60.0
"""Seconds for which a run is waited for that a process of this machine works on: that of a batch which was killed ends after its current write."""
Stop = Callable[[], bool]


def make_ordered_film(order: FilmOrder, is_stopped: Stop = lambda: False) -> FilmEnding:
    """Make the film, in as many tries as are worth it; once `is_stopped` says so, its process ends after the current write and there is no other.

    Any exception, as of a signal, ends the process in the same way before it goes on.
    """
    begun, tries, failures = time.monotonic(), 0, 0
    there = count_finished_stages(order.run)
    try:
        while True:
            tries += 1
            code = _run_process(order, is_stopped)
            now = count_finished_stages(order.run)
            failures, there = (1 if now > there else failures + 1), now
            worth = may_pass(code, order.run) and failures <= order.retries
            if code == 0 or is_stopped() or not worth:
                break
            _pause(min(2.0 ** (failures - 1), LONGEST_PAUSE), is_stopped)
    except LongtakeError as error:
        return FilmEnding(error.exit_code, str(error), tries, time.monotonic() - begun)
    line = "" if code == 0 else order.last_line() or _describe_code(code)
    return FilmEnding(code, line, tries, time.monotonic() - begun)


def _run_process(order: FilmOrder, is_stopped: Stop) -> int:
    """One process from its start to its end; its exit code."""
    _wait_for_holder(order, is_stopped)
    try:
        said = order.prepare_log().open("wb")
    except OSError as error:
        raise NotWritable(order.log, error.strerror) from error
    with said:
        process = FORK_SERVER.start_tied("pipeline", *order.words, said=said)
    try:
        code = _follow_process(process, is_stopped)
    except BaseException:
        process.kill(signal.SIGTERM)
        process.wait()
        raise
    # Where the fork server was killed, the process is still at its last write.
    _pause(PATIENCE, lambda: find_local_holder(order.run) != process.pid)
    return code


def _follow_process(process: ForkedProcess, is_stopped: Stop) -> int:
    told = False
    while (code := process.wait(EVERY_SECONDS)) is None:
        if not told and is_stopped():
            # Once: a second signal would end it within its write.
            process.kill(signal.SIGTERM)
            told = True
    return code


def _wait_for_holder(order: FilmOrder, is_stopped: Stop) -> None:
    _pause(PATIENCE, lambda: is_stopped() or find_local_holder(order.run) in {None, os.getpid()})


def _pause(seconds: float, is_over: Stop) -> None:
    """Wait so long, or until `is_over` says so."""
    end = time.monotonic() + seconds
    while not is_over() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, EVERY_SECONDS))


def _describe_code(code: int) -> str:
    if code < 0:
        return f"Its process was ended by {signal.Signals(-code).name}."
    return f"Its process ended with code {code}, and said nothing."


def make_film_here(order: FilmOrder, is_stopped: Stop = lambda: False) -> FilmEnding:
    """Make a film that was ordered on another machine, in a process of an engine's own, whose environment and directory become those of the order."""
    os.environ.update(order.environment)
    with suppress(
        OSError
    ):  # that machine's directory may not be here; only its longtake.toml is missed
        os.chdir(order.directory)
    return make_ordered_film(order, is_stopped)
