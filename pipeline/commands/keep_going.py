"""--keep-going: a film made by processes that may die, one after the other."""

import sys
from pathlib import Path

from pipeline.commands.command import Command, Job, prepare_logging, print_words
from pipeline.push.address import PUSH
from pipeline.sinks.address import FLAG, KEY
from storage.printable import spell_unprintable


def keep_going(command: Command, words: list[str], root: Path) -> Job:
    """Do it in a process of its own, and again, until the film is done or a clip has failed for good."""
    from pipeline.upkeep.child_process import restart_command
    from pipeline.upkeep.supervisor import Supervisor

    prepare_logging(command)

    def tell(line: str) -> None:
        print_words(spell_unprintable(f"longtake: {line}"), sys.stderr)

    passed = ("accept_joint", "break_lock", "debug")
    more = [f"--{name.replace('_', '-')}" for name in passed if command.has(name)]
    # Places that were given as words; those of the environment are inherited.
    for flag, key in ((FLAG, KEY), (PUSH.flag, PUSH.key)):
        urls = command.options.get(key)
        more += [f"{flag}={url}" for url in urls] if isinstance(urls, list) else []
    supervisor = Supervisor(restart_command([*words, *more], command.asked), root, tell)
    return Job(supervisor.run, int)


def flags_as_words(command: Command) -> list[str]:
    """The flags as words again."""
    return [
        flag.spelling if flag.constant is not None else f"{flag.spelling}={word}"
        for flag, word in command.given
    ]
