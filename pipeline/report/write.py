"""Films read, and the page about them written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.quality.external_judges import Judges
from pipeline.quality.video_reader import find_film
from pipeline.report.reading import FilmReading, Target, _read_target

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Report:
    """A page that was written, and the films that it is about."""

    page: Path
    readings: tuple[FilmReading, ...]


def write_report(
    paths: Sequence[Path],
    target: Target,
    *,
    judges: Judges | None = None,
    console: "Console | None" = None,
) -> Report:
    """Read films and write the page about them. Raises BadOutput, and what `read_film` does."""
    from pipeline.report.page import write_page

    judges = judges or Judges()
    films = [find_film(path) for path in paths]
    output = target.output(films, (judges.syncnet, judges.likeness))
    readings = tuple(_read_target(film, judges, console) for film in films)
    write_page(readings, output)
    return Report(output.path, readings)
