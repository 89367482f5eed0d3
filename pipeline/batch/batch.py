"""A table of films, looked through, and each film made that is not there: records say which are."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from model.sharding.launcher_env import parse_gpus
from pipeline.batch.engine import EngineOptions, MakeFilms, Watch, load_engine
from pipeline.batch.film_check import FilmCheck, check_films
from pipeline.batch.film_order import FilmEnding, FilmOrder, films_environment
from pipeline.json_output import to_json
from pipeline.options.flag import Flag
from pipeline.options.flags import FLAGS
from pipeline.options.sources import gather_options
from storage.errors import RunLocked
from storage.names import VIDEO
from tasks.film_table import COLUMNS, RUNS, FilmLine, anchor_word, name_runs, read_film_table
from tasks.options import LARGE
from tasks.signals import handle_signals
from tasks.store_run import find_run_worker

State = Literal["made", "there", "working", "failed", "waiting"]
STATES: tuple[State, ...] = ("made", "there", "working", "failed", "waiting")
_SWITCHES = {flag.name for flag in FLAGS if flag.constant is not None}
_NAMES = {*COLUMNS, *(flag.name.replace("-", "_") for flag in FLAGS)}


@dataclass(frozen=True)
class BatchRequest:
    """What is asked of a table of films."""

    table: Path
    runs: str = ""
    """The folder or URL of the runs that the table does not name; empty: `runs` beside the table."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Words for all films, by column; a film's own win."""
    retries: int = 2
    engine: EngineOptions = field(default_factory=EngineOptions)
    look: bool = False
    """Make nothing: only say what is there."""


@dataclass(frozen=True)
class BatchFilm:
    """One film of a table, and what became of it."""

    place: str
    """Where it stands, such as `films.csv:7`."""
    run: str
    """Its folder or URL."""
    state: State
    """`made` by this call, `there` before it, `working`: by another process, `failed`, or `waiting` for the same command again."""
    reason: str = ""
    """Of a failed one: why, in one line."""
    film: str = ""
    """Where it lies; empty where it is not there."""
    clips: int = 0
    frames: int = 0
    fps: int = 0
    tries: int = 0
    seconds: float = 0.0
    """That this call spent on it."""
    notices: tuple[str, ...] = ()
    """Lines about flags that do nothing here."""

    @property
    def is_there(self) -> bool:
        """Whether the film is there, whole."""
        return self.state in {"made", "there"}


@dataclass(frozen=True)
class BatchResult:
    """What there is of a batch."""

    table: Path
    films: tuple[BatchFilm, ...]
    signal: str = ""
    """SIGINT or SIGTERM, where one ended it."""

    def count(self, state: State) -> int:
        """How many films are in a state."""
        return sum(film.state == state for film in self.films)

    @property
    def missing(self) -> int:
        """How many films are not there."""
        return sum(not film.is_there for film in self.films)

    def as_json(self) -> str:
        """All of it as one JSON object, for machines."""
        counts = {state: self.count(state) for state in STATES}
        films = [asdict(film) for film in self.films]
        return to_json({"table": self.table, "counts": counts, "films": films})


class BatchListener:
    """Who wants to hear of a batch while it goes on; does nothing by itself."""

    def add_checked(self, count: int, total: int) -> None:
        """So many films are looked at."""

    def add_films(self, films: Sequence[BatchFilm]) -> None:
        """All films, before the work: those that cannot be made have their reasons."""

    def add_start(self, order: FilmOrder) -> None:
        """A film begins."""

    def add_end(self, film: BatchFilm) -> None:
        """A film is made, or has failed."""

    def look_again(self) -> None:
        """A moment has passed."""


def make_batch(request: BatchRequest, listener: BatchListener | None = None) -> BatchResult:
    """Make the films of a table that are not there; what cannot be made is told, and holds up no other.

    Raises BadTable and BadOption before any work. Ctrl-C and SIGTERM end it after the current writes (main thread only): the result then names the signal.
    """
    told = listener or BatchListener()
    engine = load_engine(request.engine.name)
    orders = read_orders(request)
    checks = check_films(
        [order.words for order in orders], lambda count: told.add_checked(count, len(orders))
    )
    films = {
        order.place: _describe_film(order, check)
        for order, check in zip(orders, checks, strict=True)
    }
    told.add_films(tuple(films.values()))
    if request.look:
        return BatchResult(request.table, tuple(map(_look_at_film, films.values(), orders)))
    asked = [order for order in orders if films[order.place].state == "waiting"]
    if request.engine.makes_several:
        # Else a long one that begins last keeps all others waiting: half as long again, of films whose lengths differ as people's do (docs/batch.md).
        asked.sort(key=lambda order: -films[order.place].frames)
    signal = _make_missing(engine, asked, (request.engine, films, told))
    return BatchResult(request.table, tuple(films.values()), signal)


def _make_missing(
    engine: MakeFilms,
    asked: Sequence[FilmOrder],
    rest: tuple[EngineOptions, dict[str, BatchFilm], BatchListener],
) -> str:
    """Have these made, and note what became of each; the signal that ended it, or none."""
    options, films, told = rest

    def note_end(order: FilmOrder, ending: FilmEnding) -> None:
        films[order.place] = film = _judge_ending(films[order.place], ending)
        told.add_end(film)

    with handle_signals() as stop:
        engine(asked, options, Watch(stop, told.add_start, note_end, told.look_again))
        return stop.signal.name if stop.signal is not None else ""


def read_orders(request: BatchRequest) -> list[FilmOrder]:
    """What is to be told to the process of each film. Raises BadTable."""
    lines = read_film_table(request.table, _NAMES)
    defaults = {
        name: anchor_word(name, word, Path.cwd()) for name, word in request.defaults.items()
    }
    lines = [line.with_defaults(defaults) for line in lines]
    runs = name_runs(lines, request.runs or str(request.table.parent / RUNS))
    environment = films_environment()
    return [
        FilmOrder(
            line.place,
            run,
            tuple(words_of_line(line, run)),
            request.retries,
            count_gpus(line),
            environment=environment,
        )
        for line, run in zip(lines, runs, strict=True)
    ]


def count_gpus(line: FilmLine) -> int:
    """How many cards a film wants for itself, where an engine shares them out."""
    try:
        if asked := parse_gpus(line.word_of("gpus")):
            return len(asked)
    except ValueError:  # said of this one film, when it is looked at
        return 0
    return int(line.word_of("model") in LARGE and line.word_of("device") != "cpu")


def read_defaults(given: Sequence[tuple[Flag, str]]) -> dict[str, str]:
    """The flags of a command line by column; several of one that repeats as one word. Raises BadOption, Refused: of all films, what would be said of each."""
    gather_options(given, os.environ, Path.cwd())
    words: dict[str, str] = {}
    for flag, word in given:
        name, said = flag.name.replace("-", "_"), "true" if flag.constant is not None else word
        words[name] = f"{words[name]};{said}" if flag.repeats and name in words else said
    return words


def words_of_line(line: FilmLine, run: str) -> list[str]:
    """The words of `longtake new` for a film of a table. Raises BadTable where a switch says neither yes nor no."""
    words = ["new", f"--run={run}"]
    for name, word in line.words.items():
        flag = name.replace("_", "-")
        if flag in _SWITCHES:
            words += [f"--{flag}"] if line.switch_is_on(name) else []
        elif flag == "speaker":
            words += [f"--speaker={each}" for each in word.split(";")]
        elif flag not in {"run", "output-dir", "save-dir"}:
            words.append(f"--{flag}={word}")
    return words


def _describe_film(order: FilmOrder, check: FilmCheck) -> BatchFilm:
    """The film before any work."""
    state: State = "failed" if check.error else "there" if check.done else "waiting"
    return BatchFilm(
        order.place,
        order.at,
        state,
        check.error,
        f"{order.at}/{VIDEO}" if check.done else "",
        check.clips,
        check.frames,
        check.fps,
        notices=check.notices,
    )


def _look_at_film(film: BatchFilm, order: FilmOrder) -> BatchFilm:
    """The film as it is, where nothing is to be made: one that waits may be at work, or have failed before."""
    if film.state != "waiting":
        return film
    if (worker := find_run_worker(order.run)) is not None:
        return replace(film, state="working", reason=worker)
    reason = order.last_line()
    return replace(film, state="failed", reason=reason) if reason else film


def _judge_ending(film: BatchFilm, ending: FilmEnding) -> BatchFilm:
    """The film after the work on it."""
    film = replace(film, tries=film.tries + ending.tries, seconds=ending.seconds)
    if ending.code == 0:
        return replace(film, state="made", film=f"{film.run}/{VIDEO}")
    if ending.code in _STOPPED:
        return film
    state: State = "working" if ending.code == RunLocked.exit_code else "failed"
    return replace(film, state=state, reason=ending.line)


_STOPPED = {130, 143}
