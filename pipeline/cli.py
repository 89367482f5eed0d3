"""The command line: words in, one line out, an exit code that means something."""
# ruff: noqa: T201 - the only place that prints

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from pipeline.arguments import Command, parse
from storage.errors import LongtakeError, ModelError, RunError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from pipeline.film import Film
    from pipeline.verify import Verification

STOPPED, TERMINATED = 130, 143
_AGAIN = 2.0
"""Seconds after which a signal that nobody heard is raised again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the words say; the exit code (docs/cli.md)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _terminable():
            command = parse(words)
            command.asked = words
            return _VERBS[command.verb](command)
    except LongtakeError as error:
        return _end(str(error), error.exit_code, words)
    except KeyboardInterrupt as stopped:
        code = TERMINATED if str(stopped) == "SIGTERM" else STOPPED
        return _end("Stopped. The same command goes on from what is finished.", code, words)
    except BrokenPipeError:
        # The reader has seen enough (`| head`); without this, Python complains once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last door: one line, and the whole story for those who ask
        line = f"A fault of longtake itself: {type(error).__name__}: {error}. --debug shows where."
        return _end(line, 1, words)


@contextmanager
def _terminable() -> Iterator[None]:
    """Both signals as an exception, so that drafts are removed; while a film is made, the tasks take them in hand.

    An exception that lands in a callback or in a library's bare except is lost, so it is raised again until the end is reached.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    again: list[threading.Timer] = []

    def stop(number: int, _frame: FrameType | None) -> None:
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


def _end(line: str, code: int, words: list[str]) -> int:
    if "--debug" in words:
        import traceback

        traceback.print_exc()
    print(f"longtake: {line}", file=sys.stderr)
    return code


def _new(command: Command) -> int:
    from pipeline import runs, settings

    wishes = settings.gather(command.given, os.environ, Path.cwd())
    if command.options["keep_going"]:
        from tasks.request import resolve

        root = resolve(wishes.request()).root
        # By its name: where the seed is drawn, each start would else be another film.
        return _keep_going(command, ["new", *_words(command), "--run", str(root)], root)
    console, breaks = _prepare(command), bool(command.options["break_lock"])
    film = runs.new(wishes.request(), console=console, notices=wishes.notices, break_lock=breaks)
    return _tell(film)


def _resume(command: Command) -> int:
    from pipeline import runs, settings
    from storage.lock import break_held

    if command.options["keep_going"]:
        root = command.path("run")
        return _keep_going(command, ["resume", str(root), *_words(command)], root)
    changes = settings.Wishes()
    settings.add_flags(changes, command.given)
    console, root = _prepare(command), command.path("run")
    if command.options["break_lock"]:
        break_held(root)
    joint = bool(command.options["accept_joint"])
    film = runs.resume(root, console=console, accept_joint=joint, changes=changes)
    return _tell(film)


def _keep_going(command: Command, words: list[str], root: Path) -> int:
    from pipeline.supervisor import Supervisor, command_for

    _prepare(command)

    def tell(line: str) -> None:
        print(f"longtake: {line}", file=sys.stderr, flush=True)

    more = [
        f"--{name}"
        for name in ("accept-joint", "break-lock")
        if command.options.get(name.replace("-", "_"))
    ]
    more += ["--debug"] if command.debug else []
    return Supervisor(command_for([*words, *more], command.asked), root, tell).run()


def _words(command: Command) -> list[str]:
    """The flags as words again."""
    pairs = [(flag.spelling, word) for flag, word in command.given]
    takes = {flag.spelling for flag, _ in command.given if flag.constant is None}
    return [
        part for name, word in pairs for part in ((f"{name}={word}",) if name in takes else (name,))
    ]


def _status(command: Command) -> int:
    from pipeline import runs
    from pipeline.screens import show_status

    _prepare(command)
    status = runs.status(command.path("run"))
    if command.options["json"]:
        print(status.as_json())
    else:
        _show(show_status(status))
    return 0


def _mux(command: Command) -> int:
    from pipeline import runs

    _prepare(command)
    target = command.options["output_file"]
    film = runs.mux(
        command.path("run"),
        partial=bool(command.options["partial"]),
        output_file=Path(str(target)) if target else None,
    )
    return _tell(film)


def _inspect(command: Command) -> int:
    from pipeline import runs
    from pipeline.screens import show_inspection

    _prepare(command)
    step, target = command.options["step"], command.options["output_file"]
    inspection = runs.inspect(
        command.path("run"),
        int(str(command.options["clip"])),
        step=None if step is None else int(str(step)),
        output_file=Path(str(target)) if target else None,
    )
    if command.options["json"]:
        print(inspection.as_json())
    else:
        _show(show_inspection(inspection))
    return 0


def _verify(command: Command) -> int:
    from pipeline import runs
    from pipeline.screens import show_verification

    console = _prepare(command)

    def tell(before: "Verification") -> None:
        _show(show_verification(before, repairing=True), sys.stderr)

    if command.options["repair"]:
        found = runs.repair(command.path("run"), console, tell)
    else:
        found = runs.verify(command.path("run"), console)
    if command.options["json"]:
        print(found.as_json())
    else:
        _show(show_verification(found))
    return 0 if found.state == "whole" else RunError.exit_code


def _doctor(command: Command) -> int:
    from pipeline.doctor import examine

    model, weights, lora = (command.options[name] for name in ("model", "weights", "lora"))
    found = examine(str(model), str(weights or ""), str(lora) if lora else None)
    print(*found.lines, sep="\n")
    return 0 if found.well else ModelError.exit_code


def _accept(command: Command) -> int:
    from pipeline.accept import Check, accept

    said = {name: word for flag, word in command.given for name in flag.fields}
    root = Path(said.get("run") or said.get("output_dir") or "runs/accept").absolute()

    def tell(check: Check) -> None:
        print(f"{'ok  ' if check.passed else 'FAIL'}  {check.what:24}  {check.found}", flush=True)

    found = accept(command.given, root, tell)
    print(found.page)
    return 0 if found.passed else 1


def _help(command: Command) -> int:
    text = str(command.options["text"])
    if sys.stdout.isatty():
        from pipeline.screens import coloured

        _show([coloured(text)])
    else:
        print(text, end="")
    return 0


_VERBS: dict[str, Callable[[Command], int]] = {
    "new": _new,
    "resume": _resume,
    "status": _status,
    "mux": _mux,
    "inspect": _inspect,
    "verify": _verify,
    "doctor": _doctor,
    "accept": _accept,
    "help": _help,
}


def _prepare(command: Command) -> "Console | None":
    """Logs go their way; the terminal for the bar, if stderr is one."""
    from pipeline import logs

    console = _terminal(sys.stderr) if sys.stderr.isatty() else None
    logs.configure(debug=command.debug, console=console)
    return console


def _tell(film: "Film") -> int:
    """The film's path on stdout, for the next program; what it is on stderr, for people."""
    from pipeline.progress import clock

    length = clock(film.frames / film.fps)
    said = f"{film.clips} clips, {film.frames} frames, {length}"
    print(f"{said}: {film.made} clips made now" if film.made else said, file=sys.stderr)
    print(film.path)
    return 0


def _show(renderables: "Iterable[RenderableType]", stream: TextIO | None = None) -> None:
    from rich.table import Table

    console = _terminal(stream or sys.stdout)
    for renderable in renderables:
        console.print(renderable, highlight=False, soft_wrap=not isinstance(renderable, Table))


def _terminal(stream: TextIO) -> "Console":
    from rich.console import Console

    return Console(file=stream)
