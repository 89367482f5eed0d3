"""What reads the words of a verb, and the words that several verbs take."""

import argparse
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import NoReturn

from pipeline.commands.registry import Verb
from pipeline.options.flag import Flag
from pipeline.options.flags import FLAGS, GROUPS
from storage.errors import BadInput
from storage.spec import Settings

_SETTABLE = {each.name for each in fields(Settings)} - {"asked_size", "output_file"}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and leaves ending to the caller."""

    def __init__(self, verb: Verb) -> None:
        super().__init__(
            prog=f"longtake {verb.name}",
            description=verb.summary,
            epilog=_show_examples(verb),
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
            add_help=False,
        )
        # From Python 3.14 on it would colour by itself; help_screen.py does.
        self.color = False
        self.add_switch("--debug", "Show all log lines, and where a fault comes from.")

    def error(self, message: str) -> NoReturn:
        """One line instead of the usage."""
        raise BadInput(f"{message[0].upper()}{message[1:]}. See `{self.prog} --help`.")

    def add_switch(self, name: str, text: str) -> None:
        """Take a flag without a value."""
        self.add_argument(name, action="store_true", help=text)

    def add_number(self, name: str, metavar: str, text: str, *, required: bool = False) -> None:
        """Take a whole number."""
        self.add_argument(name, type=_read_whole, metavar=metavar, help=text, required=required)

    def add_run(self) -> None:
        """The first word is a run."""
        self.add_argument("run", metavar="RUN", help="The folder or URL of the run.")

    def add_output(self, text: str) -> None:
        """The result may be put elsewhere."""
        self.add_argument("--output-file", metavar="FILE", help=text)
        self.add_switch(
            "--overwrite",
            "That file may take the place of another (never of an input, or of a run's).",
        )

    def add_json(self) -> None:
        """The result may be for machines."""
        self.add_switch("--json", "For machines.")

    def add_fit(self) -> None:
        """What `new` and `plan` do where there is no room."""
        self.add_switch(
            "--fit",
            "Where it does not fit, take the first way that does (longtake plan tells them).",
        )

    def add_keep_going(self) -> None:
        """What the verbs that make films may be told about processes."""
        self.add_switch(
            "--keep-going",
            "Start again after a crash, in a new process, until the film is done.",
        )
        self.add_switch(
            "--break-lock",
            "Take a run from a process on another machine, which must be dead.",
        )

    def add_judges(self) -> None:
        """Weights that somebody else has trained to judge films."""
        self.add_argument(
            "--syncnet",
            metavar="FILE",
            help="SyncNet's weights (syncnet_v2.model), for lips as well.",
        )
        self.add_argument(
            "--likeness",
            metavar="DIR",
            help="A folder of DINO's or CLIP's weights, for likeness.",
        )

    def add_film_flags(self) -> None:
        """IMAGE, AUDIO and everything that a film is made of."""
        self.usage = f"{self.prog} IMAGE AUDIO [flags]"
        self.add_argument(
            "files",
            nargs="*",
            metavar="IMAGE AUDIO",
            help="The picture, and the sound or a film with sound.",
        )
        self.add_default_flags()

    def add_default_flags(self) -> None:
        """Everything that a film is made of, as flags alone."""
        for title, flags in GROUPS.items():
            _add_flags(self.add_argument_group(title), flags)
        for flag in FLAGS:
            if not flag.fields:
                _add_flag(self, flag, argparse.SUPPRESS)

    def add_output_flags(self) -> None:
        """Where the film goes, as `new` has it."""
        _add_flags(self, [flag for flag in FLAGS if flag.name in {"output-file", "overwrite"}])

    def add_settings(self, title: str) -> None:
        """What may change while a film is made."""
        settings = [flag for flag in FLAGS if flag.fields and _SETTABLE.issuperset(flag.fields)]
        _add_flags(self.add_argument_group(title), settings)


def _show_examples(verb: Verb) -> str:
    lines = (verb.example, *verb.more)
    return "\n  ".join(("examples:" if verb.more else "example:", *lines))


def read_one_of(*words: str) -> Callable[[str], str]:
    """What reads an option with a few words."""

    def read(word: str) -> str:
        if word not in words:
            raise argparse.ArgumentTypeError(f"one of {', '.join(words)} is needed, not {word}")
        return word

    return read


def _read_whole(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a whole number is needed, not {word}") from None


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)

    def _split_lines(self, text: str, width: int) -> list[str]:
        """As argparse does it, but for a flag, which is not broken at its dashes."""
        return textwrap.wrap(text, width, break_on_hyphens=False)


class _NoteFlag(argparse.Action):
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


def _add_flags(group: "argparse._ActionsContainer", flags: Iterable[Flag]) -> None:
    for flag in flags:
        _add_flag(group, flag, flag.does)


def _add_flag(group: "argparse._ActionsContainer", flag: Flag, text: str) -> None:
    """Take one of the flags of `new`."""
    group.add_argument(
        flag.spelling,
        action=_NoteFlag,
        const=flag,
        nargs=0 if flag.constant is not None else None,
        metavar=flag.metavar,
        help=text,
        dest="given",
    )
