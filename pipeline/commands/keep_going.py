"""--keep-going: a film made by processes that may die, one after the other."""

import sys
from pathlib import Path

from pipeline.commands.command import Command, Parser, prepare_logging, print_words
from pipeline.sinks.address import FLAG, KEY
from storage.printable import spell_unprintable


def keep_going(command: Command, words: list[str], root: Path) -> int:
    """Do it in a process of its own, and again, until the film is done or a clip has failed for good."""
    from pipeline.upkeep.supervisor import Supervisor, restart_command

    prepare_logging(command)

    def tell(line: str) -> None:
        print_words(spell_unprintable(f"longtake: {line}"), sys.stderr)

    more = [
        f"--{name}"
        for name in ("accept-joint", "break-lock")
        if command.options.get(name.replace("-", "_"))
    ]
    more += ["--debug"] if command.debug else []
    more += [f"{FLAG}={url}" for url in _event_urls(command)]
    return Supervisor(restart_command([*words, *more], command.asked), root, tell).run()


def _event_urls(command: Command) -> list[str]:
    """Places for events that were given as words; those of the environment are inherited."""
    urls = command.options.get(KEY)
    return [str(url) for url in urls] if isinstance(urls, list) else []


def flags_as_words(command: Command) -> list[str]:
    """The flags as words again."""
    pairs = [(flag.spelling, word) for flag, word in command.given]
    takes = {flag.spelling for flag, _ in command.given if flag.constant is None}
    return [
        part for name, word in pairs for part in ((f"{name}={word}",) if name in takes else (name,))
    ]


def add_keep_going(parser: Parser) -> None:
    """What `new` and `resume` may be told about processes."""
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="Start again after a crash, in a new process, until the film is done.",
    )
    parser.add_argument(
        "--break-lock",
        action="store_true",
        help="Take a run from a process on another machine, which must be dead.",
    )
