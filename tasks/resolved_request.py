"""A request that was checked in whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from storage.spec import Settings, Spec
from tasks.film_part import FilmPart
from tasks.media import Media
from tasks.request import Request
from tasks.timeline import format_duration

if TYPE_CHECKING:
    from model.avatar import ModelTraits


@dataclass(frozen=True)
class ResolvedRequest:
    """A request that nothing stands in the way of, and all that was found out about it on the way."""

    request: Request
    spec: Spec
    root: Path
    """Absolute."""
    traits: "ModelTraits"
    settings: Settings
    """As the run will have them: those given, else the run's own where it is there, else the defaults."""
    sources: Mapping[str, str]
    """Where each came from."""
    seconds: Fraction
    """Length of the whole sound."""
    clips_asked: int | None = None
    media: Media | None = None
    """None where a run is at hand, which was asked for before."""

    @cached_property
    def part(self) -> FilmPart:
        """The clips that are asked for."""
        return self.request.part

    @property
    def length(self) -> str:
        """The film's, as h:mm:ss."""
        return format_duration(Fraction(self.spec.frames, self.spec.fps))
