"""The command line: words in, one line out, an exit code that means something."""

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from pipeline.commands.command import print_words
from pipeline.commands.parser import prepare_job
from pipeline.monitor.streams import guarded_streams, loss_of
from pipeline.upkeep.child_process import follow_parent
from pipeline.upkeep.launched_ranks import join_launched_ranks, launched_ranks_released
from pipeline.upkeep.limited import run_limited
from storage.errors import BadInput, LongtakeError, NotWritable
from storage.memory_guard import STARVED, is_starved, start_guard
from storage.printable import spell_unprintable
from storage.refusals import translate_refusal

STOPPED, TERMINATED = 130, 143
_AGAIN = 2.0
"""Seconds after which a signal that nobody heard is raised again."""


@dataclass
class Ending:
    """How the process ends."""

    code: int = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the words say; the exit code (docs/cli.md)."""
    follow_parent()
    words = list(sys.argv[1:] if arguments is None else arguments)
    with guarded_streams():
        with exit_code_of(words) as joined:
            join_launched_ranks()
        if joined.code:
            return joined.code
        if arguments is None and (limited := run_limited(words)) is not None:
            return limited
        with exit_code_of(words) as end, _signals_raise(), launched_ranks_released():
            start_guard()
            job = prepare_job(words)
            end.code = job.show(job.work())
        return _flush_stdout(end.code, words)


@contextmanager
def exit_code_of(words: list[str]) -> Iterator[Ending]:
    """Turn each error into one line and its code."""
    end = Ending()
    try:
        yield end
    except LongtakeError as error:
        end.code = _report_end(str(error), error.exit_code, words)
    except KeyboardInterrupt as stopped:
        end.code = _report_stop(stopped, words)
    except Exception as error:  # noqa: BLE001 - the last door: one line, and the whole story for those who ask
        if (stop := _interruption_under(error)) is not None:
            end.code = _report_stop(stop, words)
        elif _is_nowhere():
            line = "The working directory is gone. Change into one that is there, then give the same command again."
            end.code = _report_end(line, BadInput.exit_code, words)
        elif (refused := translate_refusal(error)) is not None:
            end.code = _report_end(str(refused), refused.exit_code, words)
        else:
            line = (
                f"A fault of longtake itself: {type(error).__name__}: {error}. --debug shows where."
            )
            end.code = _report_end(line, 1, words)


def _flush_stdout(code: int, words: list[str]) -> int:
    """The exit code, which also says whether all has been written.

    A reader that has seen enough (`| head`) is no fault; a full disk under `> file` is one, also of a verb that ended well.
    """
    sys.stdout.flush()
    loss = loss_of(sys.stdout)
    if loss is None or loss.errno == errno.EPIPE:
        return code
    lost = NotWritable("stdout", loss.strerror)
    return _report_end(str(lost), code or lost.exit_code, words)


def _is_nowhere() -> bool:
    """Whether somebody removed the working directory, in which nothing relative can be found."""
    try:
        os.getcwd()  # noqa: PTH109 - the question itself
    except FileNotFoundError:
        return True
    return False


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Both signals as an exception, so that drafts are removed; while a film is made, the tasks take them in hand.

    An exception that lands in a callback or in a library's bare except is lost, so it is raised again until the end is reached.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    again: list[threading.Timer] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if is_starved(number):
            raise MemoryError(STARVED)
        again.append(threading.Timer(_AGAIN, os.kill, (os.getpid(), number)))
        again[-1].daemon = True
        again[-1].start()
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for timer in again:
            timer.cancel()


def _interruption_under(error: BaseException) -> KeyboardInterrupt | None:
    """The interruption in whose course the error arose, as where it landed in a library whose `finally` then failed."""
    below: BaseException | None = error
    while below is not None and not isinstance(below, KeyboardInterrupt):
        below = below.__context__
    return below


def _report_stop(stopped: KeyboardInterrupt, words: list[str]) -> int:
    code = TERMINATED if str(stopped) == "SIGTERM" else STOPPED
    return _report_end("Stopped. The same command goes on from what is finished.", code, words)


def _report_end(line: str, code: int, words: list[str]) -> int:
    if "--debug" in words:
        print_words(traceback.format_exc().rstrip(), sys.stderr)
    print_words(spell_unprintable(f"longtake: {line}"), sys.stderr)
    return code
