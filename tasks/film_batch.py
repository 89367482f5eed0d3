"""The films of a table as Luigi's tasks: `luigi --module tasks Batch --table films.csv`, and `Film`, one line of it.

Several workers, on one machine or on many, may share a table and a luigid: each film goes to one of them, and to another where that one dies.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import luigi

from storage.errors import BadTable, LongtakeError
from storage.names import is_run
from storage.remote.address import find_url
from storage.remote.store_run import look_at_store
from tasks.cached_runs import cached_run
from tasks.clip import segment_is_there
from tasks.film import MuxVideo
from tasks.film_table import RUNS, FilmLine, name_runs, read_film_table
from tasks.long_video import LongVideo
from tasks.open_run import open_run
from tasks.options import read_run
from tasks.run_folder import resolve_folder
from tasks.store_run import COUNTS


def film_is_there(place: str) -> bool:
    """True if the records of the run in a folder or at a URL say that its film and every clip of it are made; looks at no byte of them."""
    try:
        root = resolve_folder(read_run(place))
        if find_url(root) is not None:
            return _is_on_store(root)
        if not is_run(root):
            return False
        run = cached_run(str(root))
        return MuxVideo(folder=str(root)).complete() and all(
            segment_is_there(run, clip) for clip in range(run.spec.clips)
        )
    except LongtakeError:
        return False


def _is_on_store(root: Path) -> bool:
    """Whether the film of a working folder is there, by the records that the store has now."""
    look_at_store(root, COUNTS)
    run = open_run(root)
    clips = run.spec.clips
    return (
        run.records.vouched("video") is not None
        and len(run.records.clips("segment", clips)) == clips
    )


@cache
def read_films(table: Path, runs: str) -> list[tuple[FilmLine, str]]:
    """The films of a table, each with the folder (or URL) of its run; read once a process. Raises BadTable."""
    lines = read_film_table(table)
    return list(zip(lines, name_runs(lines, runs), strict=True))


class TableTask(luigi.Task):
    """Something about the films of a table."""

    table: str = luigi.Parameter(description="The table: a .csv or .jsonl, a line a film.")
    runs: str = luigi.Parameter(
        default="",
        description="The folder or URL of runs that the table does not name (runs beside it).",
    )

    @property
    def films(self) -> list[tuple[FilmLine, str]]:
        """The films, each with the folder of its run."""
        table = Path(self.table)
        return read_films(table, self.runs or str(table.absolute().parent / RUNS))


class Film(TableTask):
    """One line of a table: done when the records of its run say so, else made as a LongVideo."""

    line: int = luigi.IntParameter(description="The line of the table that the film begins in.")

    @property
    def film(self) -> tuple[FilmLine, str]:
        """The line, and the folder of its run. Raises BadTable where the table has none there."""
        place = f"{Path(self.table).name}:{self.line}"
        found = (each for each in self.films if each[0].place == place)
        if (film := next(found, None)) is None:
            raise BadTable(place, "no film begins there")
        return film

    def complete(self) -> bool:
        """True if the film's records say that all of it is there."""
        return film_is_there(self.film[1])

    def requires(self) -> luigi.Task:
        """The film itself."""
        line, run = self.film
        words = {name: str(value) for name, value in line.as_options().items()}
        return LongVideo(**{**words, "run": run})


class Batch(TableTask, luigi.WrapperTask):
    """All films of a table; one that cannot be made does not hold up the others."""

    def requires(self) -> Iterator[luigi.Task]:
        """Each film."""
        for line, _ in self.films:
            number = int(line.place.rpartition(":")[2])
            yield Film(table=self.table, runs=self.runs, line=number)
