"""What comes out of the verbs that make a film."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.upkeep.seam import Seam


@dataclass(frozen=True)
class FinishedFilm:
    """A film on disk, and the run that it came from."""

    path: Path
    run: Path
    clips: int
    """In the film."""
    frames: int
    fps: int
    made: int | None = None
    """Clips that this call made, the others were there already; None where it was to make none."""


@dataclass(frozen=True)
class RetakenFilm:
    """A film with clips that were made again, and how its joints look."""

    film: FinishedFilm
    seams: tuple["Seam", ...]
