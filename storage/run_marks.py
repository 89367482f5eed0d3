"""What the files of a run say of themselves: its film's title, its number, its marks."""

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from storage.film_marks import FilmMarks

if TYPE_CHECKING:
    from storage.run import Run
    from storage.spec import Spec


def title_of(run: "Run") -> str:
    """What the film's file is called inside; of a run that is older than titles, the folder's name, as it was then."""
    return run.settings.title or run.root.name


def product_of(run: "Run") -> str:
    """The number that a film's file has for what it shows: the spec's digest. Empty of a run that is older than titles: its film keeps the marks that it had."""
    return _number_product(run.spec) if run.settings.title else ""


@lru_cache(maxsize=8)
def _number_product(spec: "Spec") -> str:
    """The digest of a spec; a retake with the seeds that the film had shows the same film, and has its number."""
    if spec.takes:
        take, old = spec.takes[-1], replace(spec, takes=spec.takes[:-1])
        clips = range(take.clip, take.until)
        if all(spec.seed_history(clip) == old.seed_history(clip) for clip in clips):
            return _number_product(old)
    return spec.digest


def live_marks_of(run: "Run") -> FilmMarks | None:
    """The marks of the live film, which has no title: a film may be given another when its fragments are long there."""
    product = product_of(run)
    return FilmMarks("", product, run.settings.producer) if product else None
