"""Films are looked at in a process that may die of one of them."""

import json
import os
import signal
from pathlib import Path
from typing import IO

import pytest

from pipeline.batch import film_check
from pipeline.batch.film_check import FilmCheck, check_films


class DyingProcess:
    """Answers for its films but dies of the one that is called `bad`, as if in a library."""

    pid = 0

    def __init__(self, path: str, said: IO[bytes]) -> None:
        self.code = 0
        for words in json.loads(Path(path).read_text(encoding="utf-8")):
            if words == ["bad"]:
                self.code = -signal.SIGSEGV
                os.write(said.fileno(), b'{"half')
                return
            os.write(said.fileno(), b'{"clips": 1, "notices": []}\n')

    def wait(self, _seconds: float) -> int:
        """Its code; it has ended."""
        return self.code

    def kill(self) -> None:
        """It has ended."""


@pytest.fixture(autouse=True)
def _dying(monkeypatch: pytest.MonkeyPatch) -> None:
    class Server:
        def start(self, _module: str, path: str, *, stdout: IO[bytes], **_: object) -> DyingProcess:
            return DyingProcess(path, stdout)

    monkeypatch.setattr(film_check, "FORK_SERVER", Server())


def test_process_that_dies_of_a_film() -> None:
    """That film is told, and the next process goes on behind it."""
    asked = [["a"], ["bad"], ["b"], ["bad"]]
    good = FilmCheck(clips=1)
    bad = FilmCheck("What looked at it ended without a word (signal 11).")
    assert check_films(asked) == [good, bad, good, bad]
    assert check_films([]) == []
