"""Commands of longtake that are tried, or asked, in a process of their own."""

import json
import tempfile
import threading
from subprocess import CompletedProcess
from typing import IO, Any

from pipeline.upkeep.child_process import raise_if_failed
from pipeline.upkeep.fork_server import FORK_SERVER
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
    with _AT_ONCE, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = FORK_SERVER.start(module, *words, stdout=out, stderr=err)
        code = process.wait(SECONDS)
        if code is None:
            process.kill()
            raise FilmNotMade(f"The check took more than {SECONDS:.0f} s.", 4)
        said = [_read_all(each) for each in (out, err)]
    raise_if_failed(CompletedProcess(words, code, *said))
    return json.loads(said[0])


def _read_all(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
