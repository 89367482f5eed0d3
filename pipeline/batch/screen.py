"""A batch as people see it: lines or a bar while it goes on, the table of states at its end."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.batch.batch import STATES, BatchFilm, BatchListener, BatchResult, State
from pipeline.batch.film_order import FilmOrder
from pipeline.monitor.progress import format_seconds_left, make_progress
from pipeline.monitor.words import film_length, time_in_words
from storage.errors import count_noun
from storage.printable import spell_unprintable
from storage.run_paths import path_inside

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Tell = Callable[[str], None]
MOST_ROWS = 200
"""Films that are shown by a row each; of more, those that are there are only counted."""
LOOK_EVERY = 1.0
"""Seconds between two looks at the clips of the films at work."""
_STYLES: dict[State, str] = {
    "made": "green",
    "there": "green",
    "working": "cyan",
    "failed": "red",
    "waiting": "yellow",
}


class BatchLines(BatchListener):
    """A line for what cannot be made, and one for each film that has come to its end."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._total, self._done = tell, 0, 0
        self.refused: frozenset[str] = frozenset()
        """Places of the films that cannot be made, each of which was told with its reason before the work."""

    def add_films(self, films: Sequence[BatchFilm]) -> None:
        """Say what cannot be made, and which flags do nothing."""
        self._total, self._done = len(films), sum(film.is_there for film in films)
        refused = [film for film in films if film.state == "failed"]
        for film in refused:
            self._tell(f"{film.place}: {film.reason}")
        self.refused = frozenset(film.place for film in refused)
        for notice, count in Counter(line for film in films for line in film.notices).items():
            self._tell(f"{notice} ({count_noun(count, 'film')})")

    def add_end(self, film: BatchFilm) -> None:
        """Say what became of a film; of one that was stopped, nothing has."""
        if film.state == "waiting":
            return
        self._done += film.is_there
        share = 100 * self._done / max(self._total, 1)
        took = f"in {time_in_words(film.seconds)}" if film.seconds else "by another command"
        said = film.reason or took
        self._tell(
            f"[PROGRESS] {share:.1f}% ({self._done}/{self._total}) - {film.place} {film.state}: {said}"
        )


class BatchBar(BatchLines):
    """Those lines on a terminal, over a bar of all films, with the frames a second of all and the time that is left."""

    def __init__(self, console: "Console") -> None:
        super().__init__(lambda line: self.progress.console.print(spell_unprintable(line)))
        self.progress = make_progress(console, unit="film")
        self._task = self.progress.add_task("looking at the table", total=None, left="", speed="")
        self._films: dict[str, BatchFilm] = {}
        self._making: dict[str, FilmOrder] = {}
        self._begun = self._looked = time.monotonic()
        self._frames_before = 0.0

    def add_checked(self, count: int, total: int) -> None:
        """Move the bar of the first look."""
        self.progress.update(self._task, completed=count, total=total)

    def add_films(self, films: Sequence[BatchFilm]) -> None:
        """Begin the bar of the films."""
        super().add_films(films)
        self._films = {film.place: film for film in films}
        self._begun, self._frames_before = time.monotonic(), self._count_frames()
        self._draw()

    def add_start(self, order: FilmOrder) -> None:
        """Name the film."""
        self._making[order.place] = order
        self._draw()

    def add_end(self, film: BatchFilm) -> None:
        """Move the bar on by a film."""
        super().add_end(film)
        self._films[film.place] = film
        self._making.pop(film.place, None)
        self._draw()

    def look_again(self) -> None:
        """Move the bar on by what the films at work have."""
        if time.monotonic() - self._looked >= LOOK_EVERY:
            self._draw()

    def _count_frames(self) -> float:
        """Frames that can be played, in all films."""
        there = sum(film.frames for film in self._films.values() if film.is_there)
        return there + sum(self._frames_of(order) for order in self._making.values())

    def _frames_of(self, order: FilmOrder) -> float:
        film, folder = self._films[order.place], path_inside(order.run, "commits")
        if not film.clips or not folder.is_dir():
            return 0.0
        done = sum(path.name.startswith("segment.") for path in folder.iterdir())
        return film.frames * min(done / film.clips, 1.0)

    def _draw(self) -> None:
        self._looked = time.monotonic()
        frames, films = self._count_frames(), self._films.values()
        speed = (frames - self._frames_before) / max(self._looked - self._begun, 1e-3)
        left = sum(film.frames for film in films if film.state in {"waiting", "made", "there"})
        self.progress.update(
            self._task,
            description=", ".join(order.run.name for order in self._making.values()) or "films",
            total=len(self._films),
            completed=sum(film.is_there for film in films),
            speed=f"{speed:.0f} fps" if speed else "",
            left=f"{format_seconds_left((left - frames) / speed)} left" if speed else "",
        )


@contextmanager
def follow_batch(console: "Console | None", tell: Tell) -> Iterator[BatchLines]:
    """Who listens to a batch: a bar on a terminal, else `tell` gets the lines."""
    if console is None:
        yield BatchLines(tell)
        return
    bar = BatchBar(console)
    with bar.progress:
        yield bar


def show_batch(result: BatchResult, told: Collection[str] = ()) -> "Iterator[RenderableType]":
    """The table of states, the reasons of films that are not there, and the numbers. `told`: places whose reasons stand above it already."""
    from rich.table import Table
    from rich.text import Text

    shown = [film for film in result.films if len(result.films) <= MOST_ROWS or not film.is_there]
    table = Table("line", "run", "state", "length", "took", box=None, pad_edge=False)
    for film in shown[:MOST_ROWS]:
        length = film_length(film.frames, film.fps) if film.fps else "–"
        took = time_in_words(film.seconds) if film.seconds else "–"
        state = Text(film.state, _STYLES[film.state])
        table.add_row(film.place, spell_unprintable(film.run), state, length, took)
    yield table
    if more := len(shown) - MOST_ROWS:
        yield from [f"… and {count_noun(more, 'film')} more: --json names all"] if more > 0 else []
    for film in shown[:MOST_ROWS]:
        if film.reason and film.place not in told:
            yield f"{film.place}: {film.reason}"
    yield ", ".join(f"{result.count(each)} {each}" for each in STATES if result.count(each))
