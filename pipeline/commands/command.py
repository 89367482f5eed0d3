"""What a verb of the command line is: a line about it, an example, its words, and what it does with them."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from pipeline.options.flag import Flag
from storage.errors import BadInput, count_noun
from storage.printable import spell_unprintable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from pipeline.results import FinishedFilm

Given = list[tuple[Flag, str]]


@dataclass
class Command:
    """What the words ask for."""

    verb: str
    options: dict[str, object] = field(default_factory=dict)
    given: Given = field(default_factory=list)
    """Flags of `new` in their order, each with its word."""
    debug: bool = False
    asked: list[str] = field(default_factory=list)
    """The words themselves."""

    def path(self, name: str) -> Path:
        """An option that is a path."""
        return Path(str(self.options[name]))

    def file(self, name: str) -> Path | None:
        """An option that is a path, or is not given."""
        return Path(str(self.options[name])) if self.options[name] else None

    def number(self, name: str) -> int | None:
        """An option that is a whole number, or is not given."""
        return None if self.options[name] is None else int(str(self.options[name]))


@dataclass(frozen=True)
class Verb:
    """One word of ours; pipeline/verbs has a file for each."""

    name: str
    summary: str
    example: str
    add_arguments: Callable[["Parser"], None]
    """Tell the parser what words it takes."""
    run: Callable[[Command], int]
    """Do it; the exit code (docs/cli.md)."""

    def parser(self) -> "Parser":
        """What reads its words."""
        parser = Parser(self)
        self.add_arguments(parser)
        return parser


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and leaves ending to the caller."""

    def __init__(self, verb: Verb) -> None:
        super().__init__(
            prog=f"longtake {verb.name}",
            description=verb.summary,
            epilog=f"example:\n  {verb.example}",
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
            add_help=False,
        )
        self.color = (
            False  # from Python 3.14 on it would colour by itself; pipeline/monitor/screens.py does
        )
        self.add_argument(
            "--debug", action="store_true", help="Show all log lines, and where a fault comes from."
        )

    def error(self, message: str) -> NoReturn:
        """One line instead of the usage."""
        raise BadInput(f"{message[0].upper()}{message[1:]}. See `{self.prog} --help`.")

    def add_run(self) -> None:
        """The first word is a run."""
        self.add_argument("run", metavar="RUN", help="The folder of the run.")

    def take_output(self, text: str) -> None:
        """The result may be put elsewhere."""
        self.add_argument("--output-file", metavar="FILE", help=text)
        self.add_argument(
            "--overwrite",
            action="store_true",
            help="That file may take the place of another (never of an input, or of a run's).",
        )

    def add_json(self) -> None:
        """The result may be for machines."""
        self.add_argument("--json", action="store_true", help="For machines.")


def whole_number(word: str) -> int:
    """What an option that counts reads."""
    try:
        return int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a whole number is needed, not {word}") from None


def one_of(*words: str) -> Callable[[str], str]:
    """What an option with a few words reads."""

    def read(word: str) -> str:
        if word not in words:
            raise argparse.ArgumentTypeError(f"one of {', '.join(words)} is needed, not {word}")
        return word

    return read


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)

    def _split_lines(self, text: str, width: int) -> list[str]:
        """As argparse does it, but for a flag, which is not broken at its dashes."""
        import textwrap

        return textwrap.wrap(text, width, break_on_hyphens=False)


class NoteFlag(argparse.Action):
    """Puts the flag and its word into the list of what was given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's own signature
        space: argparse.Namespace,
        values: object,
        option: str | None = None,  # noqa: ARG002
    ) -> None:
        """Keep it."""
        word = "" if self.nargs == 0 else str(values)
        space.given = [*(getattr(space, "given", None) or []), (self.const, word)]


def add_flag(group: "argparse._ActionsContainer", flag: Flag, text: str) -> None:
    """Take one of the flags of `new`."""
    words = 0 if flag.constant is not None else None
    group.add_argument(
        flag.spelling,
        action=NoteFlag,
        const=flag,
        nargs=words,
        metavar=flag.metavar,
        help=text,
        dest="given",
    )


def prepare_logging(command: Command) -> "Console | None":
    """Logs go their way; the terminal for the bar, if stderr is one. What killed commands left beside the run and for themselves goes."""
    from pipeline.monitor import log_output
    from storage.scratch import sweep_scratch

    sweep_scratch()
    if run := command.options.get("run"):
        sweep_scratch(Path(str(run)).absolute().parent)

    console = make_console(sys.stderr) if is_drawable(sys.stderr) else None
    log_output.configure_logging(debug=command.debug, console=console)
    return console


def report_film(film: "FinishedFilm") -> int:
    """The film's path on stdout, for the next program; what it is on stderr, for people."""
    from pipeline.monitor.words import film_length

    said = f"{count_noun(film.clips, 'clip')}, {count_noun(film.frames, 'frame')}, {film_length(film.frames, film.fps)}"
    if film.made is not None:
        said += (
            f": {count_noun(film.made, 'clip')} made now" if film.made else ": it was there already"
        )
    print_words(said, sys.stderr)
    put_path(film.path)
    return 0


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
