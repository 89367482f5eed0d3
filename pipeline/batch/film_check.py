"""All that `longtake new` checks of each film before any work, in a process that may die of one of them.

`python -m pipeline.batch.film_check FILE` reads a list of lists of words out of a JSON file, and prints a line of JSON for each; it makes nothing.
"""
# ruff: noqa: T201 - its stdout is what the caller reads

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pipeline.commands.parser import parse_command
from pipeline.json_output import to_json
from pipeline.options.sources import gather_options, make_request
from pipeline.upkeep.fork_server import FORK_SERVER, ForkedProcess
from storage.errors import LongtakeError, NotARun
from storage.refusals import translate_refusal
from storage.remote.address import find_url

SECONDS = 300.0
"""After which a film that nothing is said of is given up."""
_EVERY = 0.1


@dataclass(frozen=True)
class FilmCheck:
    """What was found out about one film without making anything."""

    error: str = ""
    """Why it cannot be made, in one line; empty where nothing stands in the way."""
    done: bool = False
    """It is there already, whole."""
    clips: int = 0
    frames: int = 0
    fps: int = 0
    notices: tuple[str, ...] = field(default=())
    """Lines about flags that do nothing here."""


def check_films(
    asked: Sequence[Sequence[str]], watch: Callable[[int], None] = lambda _: None
) -> list[FilmCheck]:
    """Check the words of each film; `watch` hears how many are done. What ends the process that looks is said of the film that it looked at."""
    found: list[FilmCheck] = []
    while len(found) < len(asked):
        found.extend(_check_in_process(asked[len(found) :], lambda more: watch(len(found) + more)))
    return found


def _check_in_process(
    asked: Sequence[Sequence[str]], watch: Callable[[int], None]
) -> list[FilmCheck]:
    """What one process finds, and of the film that it died of that it did; at least one."""
    with tempfile.NamedTemporaryFile(suffix=".json") as words, tempfile.TemporaryFile() as said:
        words.write(to_json(asked).encode())
        words.flush()
        with Path(os.devnull).open("wb") as nowhere:
            process = FORK_SERVER.start(
                "pipeline.batch.film_check", words.name, stdout=said, stderr=nowhere
            )
        try:
            ending = _wait_for_answers(process, said, watch)
        finally:
            process.kill()
        found = [_read_answer(json.loads(line)) for line in _read_lines(said)]
    if len(found) < len(asked):
        found.append(FilmCheck(f"What looked at it ended without a word ({ending})."))
    return found


def _wait_for_answers(process: ForkedProcess, said: IO[bytes], watch: Callable[[int], None]) -> str:
    """Wait for the end of a process, in words; it is ended where it says nothing for too long."""
    seen, last = 0, time.monotonic()
    while (code := process.wait(_EVERY)) is None:
        if (now := len(_read_lines(said))) > seen:
            seen, last = now, time.monotonic()
            watch(seen)
        if time.monotonic() - last > SECONDS:
            process.kill()
            return f"nothing for {SECONDS:.0f} s"
    return f"code {code}" if code >= 0 else f"signal {-code}"


def _read_lines(said: IO[bytes]) -> list[bytes]:
    """The whole lines of what was said; the position of the file, which the process writes at, is not moved."""
    data = os.pread(said.fileno(), os.fstat(said.fileno()).st_size, 0)
    return data[: data.rfind(b"\n") + 1].splitlines()


def _read_answer(found: dict[str, Any]) -> FilmCheck:
    return FilmCheck(**{**found, "notices": tuple(found["notices"])})


def check_words(words: Sequence[str]) -> FilmCheck:
    """What there is to say of one film before any work. Raises the one error that stands in the way; writes nothing."""
    from tasks.cached_runs import keep_run
    from tasks.film_batch import film_is_there
    from tasks.long_video import is_done
    from tasks.open_run import open_run
    from tasks.resolve import resolve_request
    from tasks.store_run import COUNTS, look_at_store_run

    given = gather_options(parse_command(words).given, os.environ, Path.cwd())
    request = make_request(given)
    stored = request.run if request.run is not None and find_url(request.run) else None
    if stored is not None:
        with suppress(NotARun):  # nothing lies there yet
            look_at_store_run(stored, COUNTS)
            keep_run(open_run(stored))  # else all of its content is brought here
    resolved = resolve_request(request)
    spec = resolved.spec
    done = film_is_there(str(resolved.root)) if stored is not None else is_done(resolved)
    return FilmCheck("", done, spec.clips, spec.frames, spec.fps, tuple(given.told))


def answer_all(asked: Sequence[Sequence[str]]) -> Iterator[FilmCheck]:
    """One answer for each film, whatever it is."""
    for words in asked:
        try:
            yield check_words(words)
        except LongtakeError as error:
            yield FilmCheck(str(error))
        except Exception as error:  # noqa: BLE001 - one film's fault is not the others'
            told = translate_refusal(error) or f"{type(error).__name__}: {error}"
            yield FilmCheck(str(told))


def run_check() -> None:
    """Check the films of the file that the word names."""
    for found in answer_all(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))):
        print(to_json(found, indent=None), flush=True)


if __name__ == "__main__":
    run_check()
