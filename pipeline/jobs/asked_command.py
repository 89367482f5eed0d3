"""Commands of longtake that are tried, or asked, in a process of their own."""

import json
import subprocess
import threading
from typing import Any

from pipeline.upkeep.child_process import module_command, raise_if_failed
from storage.errors import FilmNotMade

SECONDS = 300.0
"""After which a check that has said nothing is given up."""
_AT_ONCE = threading.BoundedSemaphore(2)
"""More would only wait for the same cores."""


def find_notices(words: list[str]) -> list[str]:
    """What is to be told of a command that can be carried out. Raises FilmNotMade with the line and the code that longtake would end with."""
    found = _ask_process("pipeline.jobs.check", words)
    assert isinstance(found, list)
    return [str(each) for each in found]


def ask_longtake(words: list[str]) -> Any:
    """What a verb prints as JSON; raises FilmNotMade."""
    return _ask_process("pipeline", words)


def _ask_process(module: str, words: list[str]) -> Any:
    with _AT_ONCE:
        try:
            done = subprocess.run(
                module_command(module, *words),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise FilmNotMade(f"The check took more than {SECONDS:.0f} s.", 4) from None
    raise_if_failed(done)
    return json.loads(done.stdout)
