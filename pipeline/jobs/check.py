"""All that longtake checks before any work, in a process of its own: what a stranger sent is decoded, and may bring a library down.

`python -m pipeline.jobs.check new …` (or `retake …`, `redub …`) prints the notices as JSON, or ends with one line and a code, as `longtake` does; it makes nothing.
"""
# ruff: noqa: T201 - its stdout is what the caller reads

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import exit_code_of
from pipeline.commands.parser import parse_command
from pipeline.commands.redub import read_redub_request
from pipeline.commands.retake import read_changed_settings, read_retake_request
from pipeline.json_output import to_json
from pipeline.options.sources import gather_options, make_request


def check_words(words: Sequence[str]) -> list[str]:
    """What is to be told of a command that can be carried out; raises the one error that stands in the way. Writes nothing."""
    command = parse_command(words)
    if command.verb in {"retake", "redub"}:
        from tasks.retake import plan_retake

        changes = read_changed_settings(command)
        read = read_retake_request if command.verb == "retake" else read_redub_request
        plan_retake(command.path("run"), read(command, changes))
        return changes.told
    from tasks.resolve import resolve_request

    given = gather_options(command.given, os.environ, Path.cwd())
    resolve_request(make_request(given))
    return given.told


def run_check() -> int:
    """Check the words of the command line."""
    words = sys.argv[1:]
    with exit_code_of(words) as end:
        print(to_json(check_words(words)))
    return end.code


if __name__ == "__main__":
    sys.exit(run_check())
