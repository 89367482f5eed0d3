"""What words ask for, what is to be called for it, and how a verb prints what came out."""

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from storage.errors import BadInput, count_noun
from storage.printable import spell_unprintable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from pipeline.monitor.progress import ProgressOptions
    from pipeline.options.flag import Flag
    from pipeline.push.address import PushAddress
    from pipeline.results import FinishedFilm
    from storage.remote.store_pull import Wanted

_RUNS = {"run", "films", "diff", "new"}
"""Options that are a run, which may lie on an object store."""
Given = list[tuple["Flag", str]]


@dataclass
class Command:
    """What the words ask for."""

    verb: str
    options: dict[str, object] = field(default_factory=dict)
    given: Given = field(default_factory=list)
    """Flags of `new` in their order, each with its word."""
    asked: list[str] = field(default_factory=list)
    """The words themselves."""

    def has(self, name: str) -> bool:
        """True if an option without a value is given."""
        return bool(self.options.get(name))

    def path(self, name: str) -> Path:
        """An option that is a path."""
        return _read_path(name, self.options[name])

    def look_at_run(self, wanted: "Wanted", name: str = "run") -> Path:
        """A run to be looked at: its folder, in which there is what is wanted of it where it lies on an object store."""
        from tasks.store_run import look_at_store_run

        root = _read_path(name, self.options[name])
        look_at_store_run(root, wanted)
        return root

    def paths(self, name: str) -> list[Path]:
        """An option that is several paths."""
        words = self.options[name]
        assert isinstance(words, list)
        return [_read_path(name, word) for word in words]

    def file(self, name: str) -> Path | None:
        """An option that is a path, or is not given."""
        return None if self.options[name] is None else _read_path(name, self.options[name])

    def number(self, name: str) -> int | None:
        """An option that is a whole number, or is not given."""
        return None if self.options[name] is None else int(str(self.options[name]))


def _read_path(name: str, word: object) -> Path:
    from tasks.options import read_path, read_run

    try:
        return read_run(str(word)) if name in _RUNS else read_path(str(word))
    except ValueError as reason:
        raise BadInput(f"{name}: {reason}.") from None


@dataclass(frozen=True)
class Job:
    """What a command comes to: something to call, and what shows its result and says the exit code (docs/cli.md)."""

    work: Callable[[], Any]
    show: Callable[[Any], int]


def prepare_logging(command: Command) -> "Console | None":
    """Logs go their way; the terminal for the bar, if stderr is one. What killed commands left beside the run and for themselves goes."""
    from pipeline.monitor import log_output
    from storage.scratch import sweep_scratch

    sweep_scratch()
    if command.options.get("run"):
        sweep_scratch(command.path("run").absolute().parent)

    console = make_console(sys.stderr) if is_drawable(sys.stderr) else None
    log_output.configure_logging(debug=command.has("debug"), console=console)
    return console


def read_progress(command: Command) -> "ProgressOptions":
    """Where it is to be seen how a film is made: on this terminal, at the places of --events-to and the servers of --push; raises BadOption."""
    from pipeline.monitor.progress import ProgressOptions
    from pipeline.sinks.address import KEY, choose_addresses

    console, urls = prepare_logging(command), command.options[KEY]
    places = choose_addresses(urls, os.environ, Path.cwd())
    return ProgressOptions(console, places, read_servers(command))


def read_servers(command: Command) -> "tuple[PushAddress, ...]":
    """The servers of --push; raises BadOption."""
    from pipeline.push.address import PUSH, choose_servers

    return choose_servers(command.options[PUSH.key], os.environ, Path.cwd())


def switch_live_on(command: Command) -> None:
    """What is to be pushed needs a live film: --live, where neither that nor --grow was said."""
    from pipeline.options.flags import FLAGS

    said = {flag.name for flag, _ in command.given}
    if read_servers(command) and not said & {"live", "grow"}:
        command.given.append((next(flag for flag in FLAGS if flag.name == "live"), ""))


def report_film(film: "FinishedFilm") -> int:
    """The film's path on stdout, for the next program; what it is on stderr, for people."""
    from pipeline.monitor.words import film_length
    from storage.remote.address import find_url

    said = f"{count_noun(film.clips, 'clip')}, {count_noun(film.frames, 'frame')}, {film_length(film.frames, film.fps)}"
    if film.made is not None:
        said += (
            f": {count_noun(film.made, 'clip')} made now" if film.made else ": it was there already"
        )
    if (url := find_url(film.run)) is not None and film.path.parent == film.run:
        said += f"; it is {url}/{film.path.name} as well"
    print_words(said, sys.stderr)
    put_path(film.path)
    return 0


class _Shown(Protocol):
    def as_json(self) -> str: ...


def print_result(command: Command, result: _Shown, screen: "Iterable[RenderableType]") -> None:
    """Print what was found, for machines with --json, else as a screen."""
    if command.has("json"):
        print(result.as_json())
    else:
        print_renderables(screen)


def print_words(words: str, stream: TextIO | None = None) -> None:
    """Print words for people, at once, on stdout unless a stream is named. Whoever chose them, they act on no terminal; lines may be several."""
    print(spell_unprintable(words, keep="\n"), file=stream or sys.stdout, flush=True)


def put_path(path: Path) -> None:
    """Print where something is: for the next program as it is, for people so that it only shows."""
    print(spell_unprintable(path) if sys.stdout.isatty() else path)


def print_renderables(
    renderables: "Iterable[RenderableType]", stream: TextIO | None = None
) -> None:
    """Print them, for people, unless a stream is named on stdout."""
    from rich.table import Table

    stream = stream or sys.stdout
    console = make_console(stream)
    # A narrower terminal breaks the lines itself; rich would cut figures off.
    console.width = max(console.width, _LEAST_WIDTH)
    with console.capture() as drawn:
        for renderable in renderables:
            # A line of words is one line, whatever is in it.
            if isinstance(renderable, str):
                renderable = spell_unprintable(renderable)  # noqa: PLW2901 - the same, to be shown
            console.print(renderable, soft_wrap=not isinstance(renderable, Table))
    for line in drawn.get().splitlines():
        print(line.rstrip(), file=stream)


_LEAST_WIDTH, _WIDTH = 72, 100
"""Columns of a table at least, and where it goes into a file or a pipe."""


def is_drawable(stream: TextIO) -> bool:
    """Whether the stream is a terminal on which a bar can be drawn over itself; else there are lines."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in {"dumb", "unknown"}


def make_console(stream: TextIO) -> "Console":
    """A terminal, or what stands for one; words in brackets are words of the user's and no markup, and none of them acts."""
    from pipeline.monitor.plain_console import PlainConsole

    console = PlainConsole(file=stream, markup=False, emoji=False, highlight=False)
    if not stream.isatty() and "COLUMNS" not in os.environ:
        console.width = _WIDTH
    return console
