"""Networks that others trained to judge films, asked where their weights are given. They add numbers; no level is held against them here."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.quality.embedding import measure_likeness
from pipeline.quality.mouth import Mouth
from pipeline.quality.syncnet import SyncNet

if TYPE_CHECKING:
    from pipeline.quality.video_reader import FilmFile


@dataclass(frozen=True)
class Judges:
    """Paths to the weights of networks that judge films; None: not asked."""

    syncnet: Path | None = None
    likeness: Path | None = None


@dataclass(frozen=True)
class Opinions:
    """Figures that these networks give a film."""

    syncnet_offset: int | None = None
    """Frames (at 25 a second) by which the mouth is late."""
    syncnet_confidence: float | None = None
    """Median distance less the smallest, as it was published."""
    syncnet_distance: float | None = None
    """The smallest mean distance of lips and sound."""
    likeness: tuple[float, ...] = ()
    """Cosine of each clip's middle frame to the reference picture (or to the first frame), by DINO or CLIP."""


def ask_judges(judges: Judges, film: "FilmFile", mouth: Mouth | None) -> Opinions | None:
    """The opinions of the networks on a film; None where none is asked. Raises BadWeights."""
    if judges == Judges():
        return None
    offset, sure, distance = None, None, None
    if judges.syncnet is not None and mouth is not None:
        offset, sure, distance = SyncNet(judges.syncnet).measure_offset(film.path, mouth)
    likeness: tuple[float, ...] = ()
    if judges.likeness is not None:
        likeness = measure_likeness(film, judges.likeness)
    return Opinions(offset, sure, distance, likeness)
