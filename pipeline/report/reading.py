"""A film, read: its file, its tracks, its verdict, and how it was made."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.jsontext import plain
from pipeline.quality.judgement import Quality, judge
from pipeline.quality.judges import Judges, ask
from pipeline.quality.screening import Film, count_frames, film_at, meant_for, screen
from pipeline.quality.sync import opening_of
from pipeline.quality.timing import Float
from pipeline.quality.tracks import Tracks

if TYPE_CHECKING:
    from rich.console import Console

    from storage.output_file import OutputFile


@dataclass(frozen=True)
class Making:
    """How a run's film was made, by its events."""

    model: str
    size: str
    mode: str
    """online or offline."""
    first_clip: float | None
    """Seconds from the command until the first clip could be played."""
    speed: float | None
    """Frames a second."""
    retries: int


@dataclass(frozen=True)
class Reading:
    """One film of the page."""

    film: Film
    tracks: Tracks
    opening: Float
    quality: Quality
    making: Making | None

    def as_dict(self) -> dict[str, Any]:
        """For machines: the verdict, and how it was made."""
        return {**plain(self.quality), "made": plain(self.making)}


@dataclass(frozen=True)
class Target:
    """Where a page goes."""

    path: Path | None = None
    """None: report.html in the run, or beside the film's file, of the first film."""
    overwrite: bool = False

    def output(self, films: Sequence[Film], inputs: Iterable[Path | None]) -> "OutputFile":
        """The same, checked; the first of the films that comes of a run has its run remember it. Raises BadOutput, NotWritable."""
        from storage.inside import path_inside
        from storage.output_file import PAGE, Maker, OutputFile

        first = films[0]
        # Beside the film, so that the page finds it wherever both are carried.
        beside = first.path.with_name(f"{first.path.stem}-report.html")
        own = beside if first.run is None else path_inside(first.run.root, "report.html")
        makers = [Maker(film.run.root, film.run.spec) for film in films if film.run is not None]
        read = (*(film.path for film in films), *(each for each in inputs if each is not None))
        maker = next(iter(makers), None)
        output = OutputFile(self.path or own, PAGE, maker, read, self.overwrite)
        output.check()
        return output


@dataclass(frozen=True)
class Report:
    """A page that was written, and what it is of."""

    page: Path
    readings: tuple[Reading, ...]


def report(
    paths: Sequence[Path],
    target: Target,
    *,
    judges: Judges | None = None,
    console: "Console | None" = None,
) -> Report:
    """Read films and write the page about them. Raises BadOutput, and what `read` does."""
    from pipeline.report.page import write_page

    judges = judges or Judges()
    films = [film_at(path) for path in paths]
    output = target.output(films, (judges.syncnet, judges.likeness))
    readings = tuple(_read(film, judges, console) for film in films)
    write_page(readings, output)
    return Report(output.path, readings)


def read(path: Path, *, judges: Judges | None = None, console: "Console | None" = None) -> Reading:
    """Read the film of a run, or a film's file. Raises NotMade, NotARun, BadFilm, BadWeights."""
    return _read(film_at(path), judges or Judges(), console)


def _read(film: Film, judges: Judges, console: "Console | None") -> Reading:
    with _watching(film, console) as watch:
        tracks = screen(film, watch)
    quality = judge(tracks, film.name, meant_for(film))
    quality = replace(quality, opinions=ask(judges, film, tracks.mouth))
    return Reading(film, tracks, opening_of(tracks), quality, _making(film))


@contextmanager
def _watching(film: Film, console: "Console | None") -> Iterator[Callable[[str, int], None]]:
    """A bar on a terminal: first the mouth is looked for, then every frame is looked at."""
    if console is None:
        yield lambda *_: None
        return
    from pipeline.progress import columns

    total = count_frames(film.path)
    with columns(console, unit="frame", transient=True) as bar:
        task = bar.add_task(f"watching {film.name}", total=total, left="", speed="")
        yield lambda _, number: bar.update(task, completed=number + 1)


def _making(film: Film) -> Making | None:
    from pipeline.status import read as status_of

    if film.run is None:
        return None
    status, spec = status_of(film.run), film.run.spec
    return Making(
        model=spec.model,
        size=f"{spec.width}×{spec.height}",
        mode="offline" if film.run.settings.offline else "online",
        first_clip=status.first_playable_clip_after,
        speed=status.frames_a_second,
        retries=status.retries,
    )
