"""A film, read: its file, its tracks, its verdict, and how it was made."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.json_output import to_plain
from pipeline.monitor.progress import make_progress
from pipeline.monitor.script_words import ScriptedPrompt
from pipeline.quality.external_judges import Judges, ask_judges
from pipeline.quality.frame_tracks import FrameTracks
from pipeline.quality.lag_correlation import Float
from pipeline.quality.lip_sync import track_mouth_opening
from pipeline.quality.thresholds import FilmQuality, judge_film
from pipeline.quality.video_reader import (
    FilmFile,
    count_frames,
    find_film,
    measure_film,
    read_source_sound,
)
from storage.run_paths import path_inside

if TYPE_CHECKING:
    from rich.console import Console

    from storage.output_file import OutputFile


@dataclass(frozen=True)
class FilmMaking:
    """How a run's film was made: model, mode, speed, retries, by its events."""

    model: str
    size: str
    mode: str
    """online or offline."""
    first_clip: float | None
    """Seconds from the command until the first clip could be played."""
    speed: float | None
    """Frames a second."""
    retries: int
    script: tuple[ScriptedPrompt, ...] = ()
    """When which prompt holds."""


@dataclass(frozen=True)
class FilmReading:
    """One film of the report page, measured and judged."""

    film: FilmFile
    tracks: FrameTracks
    opening: Float
    quality: FilmQuality
    making: FilmMaking | None

    def as_dict(self) -> dict[str, Any]:
        """The film's figures and how it was made, as plain values for JSON."""
        return {**to_plain(self.quality), "made": to_plain(self.making)}


@dataclass(frozen=True)
class Target:
    """The path that a report page goes to."""

    path: Path | None = None
    """None: report.html in the run, or beside the film's file, of the first film."""
    overwrite: bool = False

    def output(self, films: Sequence[FilmFile], inputs: Iterable[Path | None]) -> "OutputFile":
        """The checked output file of the page; the first film that comes of a run has its run remember it. Raises BadOutput, NotWritable."""
        from storage.output_file import PAGE, OutputFile, SourceRun

        first = films[0]
        # Beside the film, so that the page finds it wherever both are carried.
        beside = first.path.with_name(f"{first.path.stem}-report.html")
        own = beside if first.run is None else path_inside(first.run.root, "report.html")
        makers = [SourceRun(film.run.root, film.run.spec) for film in films if film.run is not None]
        read = (*(film.path for film in films), *(each for each in inputs if each is not None))
        maker = next(iter(makers), None)
        output = OutputFile(self.path or own, PAGE, maker, read, self.overwrite)
        output.check()
        return output


def read_film(
    path: Path, *, judges: Judges | None = None, console: "Console | None" = None
) -> FilmReading:
    """Read the film of a run, or a film's file. Raises NotMade, NotARun, BadFilm, BadWeights."""
    return _read_target(find_film(path), judges or Judges(), console)


def _read_target(film: FilmFile, judges: Judges, console: "Console | None") -> FilmReading:
    with _reading_progress(film, console) as watch:
        tracks = measure_film(film, watch)
    quality = judge_film(tracks, film.name, read_source_sound(film))
    quality = replace(quality, opinions=ask_judges(judges, film, tracks.mouth))
    return FilmReading(film, tracks, track_mouth_opening(tracks), quality, _read_making(film))


@contextmanager
def _reading_progress(
    film: FilmFile, console: "Console | None"
) -> Iterator[Callable[[str, int], None]]:
    """A progress bar on a terminal: first the mouth is looked for, then every frame is measured."""
    if console is None:
        yield lambda *_: None
        return
    total = count_frames(film.path)
    with make_progress(console, unit="frame", transient=True) as bar:
        task = bar.add_task(f"watching {film.name}", total=total, left="", speed="")
        yield lambda _, number: bar.update(task, completed=number + 1)


def _read_making(film: FilmFile) -> FilmMaking | None:
    from pipeline.monitor.status import read_status as status_of

    if film.run is None:
        return None
    status, spec = status_of(film.run), film.run.spec
    return FilmMaking(
        model=spec.model,
        size=f"{spec.width}×{spec.height}",
        mode="offline" if film.run.settings.offline else "online",
        first_clip=status.first_playable_clip_after,
        speed=status.frames_a_second,
        retries=status.retries,
        script=status.script,
    )
