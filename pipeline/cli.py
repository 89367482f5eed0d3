"""The command line: words in, one line out, an exit code that means something."""
# ruff: noqa: T201 - one of the few places that print

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from pipeline.commands.command import Command, print_renderables, print_words
from pipeline.commands.help_screen import colour_help
from pipeline.commands.parser import parse_command
from pipeline.commands.registry import VERBS
from pipeline.monitor.streams import guarded_streams, loss_of
from pipeline.upkeep.child_process import follow_parent
from pipeline.upkeep.limited import run_limited
from storage.errors import BadInput, LongtakeError, NotWritable
from storage.memory_guard import STARVED, is_starved, start_guard
from storage.printable import spell_unprintable
from storage.refusals import translate_refusal

STOPPED, TERMINATED = 130, 143
_AGAIN = 2.0
"""Seconds after which a signal that nobody heard is raised again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the words say; the exit code (docs/cli.md)."""
    follow_parent()
    words = list(sys.argv[1:] if arguments is None else arguments)
    with guarded_streams():
        if arguments is None and (limited := run_limited(words)) is not None:
            return limited
        code = _run_command(words)
        sys.stdout.flush()
        loss = loss_of(sys.stdout)
        # A reader that has seen enough (`| head`) is no fault; a full disk under `> file` is one, also of a verb that ended well.
        if loss is None or loss.errno == errno.EPIPE:
            return code
        lost = NotWritable("stdout", loss.strerror)
        return _report_end(str(lost), code or lost.exit_code, words)


def _run_command(words: list[str]) -> int:
    try:
        with _signals_raise():
            start_guard()
            command = parse_command(words)
            command.asked = words
            return (
                _print_help(command) if command.verb == "help" else VERBS[command.verb].run(command)
            )
    except LongtakeError as error:
        return _report_end(str(error), error.exit_code, words)
    except KeyboardInterrupt as stopped:
        code = TERMINATED if str(stopped) == "SIGTERM" else STOPPED
        return _report_end("Stopped. The same command goes on from what is finished.", code, words)
    except Exception as error:  # noqa: BLE001 - the last door: one line, and the whole story for those who ask
        if _is_nowhere():
            line = "The working directory is gone. Change into one that is there, then give the same command again."
            return _report_end(line, BadInput.exit_code, words)
        if (refused := translate_refusal(error)) is not None:
            return _report_end(str(refused), refused.exit_code, words)
        line = f"A fault of longtake itself: {type(error).__name__}: {error}. --debug shows where."
        return _report_end(line, 1, words)


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


def _report_end(line: str, code: int, words: list[str]) -> int:
    if "--debug" in words:
        print_words(traceback.format_exc().rstrip(), sys.stderr)
    print_words(spell_unprintable(f"longtake: {line}"), sys.stderr)
    return code


def _print_help(command: Command) -> int:
    text = str(command.options["text"])
    if sys.stdout.isatty():
        print_renderables([colour_help(text)])
    else:
        print(text, end="")
    return 0
