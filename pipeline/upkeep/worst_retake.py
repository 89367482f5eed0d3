"""The worst clips of a film made again: found by the measures of its report, and measured again afterwards."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import api
from pipeline.monitor.progress import NOT_SHOWN, ProgressOptions
from pipeline.quality.worst_clips import ClipMeasure, find_worst_clips, measure_clips
from pipeline.report.reading import read_film
from storage.errors import count_noun
from tasks.open_run import open_run
from tasks.request import require_option
from tasks.run_folder import resolve_folder

if TYPE_CHECKING:
    from pipeline.results import RetakenFilm
    from tasks.retake import RetakePlan, RetakeRequest


@dataclass(frozen=True)
class WorstRequest:
    """What is asked for."""

    count: int
    """Of clips, at most."""
    retake: "RetakeRequest"
    """All but the clips."""


@dataclass(frozen=True)
class WorstRetake:
    """What became of the worst clips."""

    run: Path
    """The old run."""
    before: tuple[ClipMeasure, ...]
    """The worst measure of each of the worst clips, the worst first; empty where none misses a level."""
    after: tuple[ClipMeasure | None, ...] = ()
    """The same in the new film; None where there is nothing to be measured any more."""
    retaken: "RetakenFilm | None" = None
    """None where nothing was made."""


def retake_worst(
    root: Path,
    wish: WorstRequest,
    progress: ProgressOptions = NOT_SHOWN,
    *,
    found: "Callable[[tuple[ClipMeasure, ...]], None]" = lambda _: None,
    tell: "Callable[[RetakePlan, float | None], None]" = lambda _plan, _seconds: None,
) -> WorstRetake:
    """Make the worst clips of the film in `root` again, in one new run; nothing where none misses a level.

    `found` hears which clips they are before anything is made, and then `tell` of what that takes.
    Raises BadOption, NotMade, RunLocked, and what a retake raises.
    """
    old = open_run(resolve_folder(root))
    clips = old.spec.clips
    reason = f"1 to {clips} is needed: the film has {count_noun(clips, 'clip')}"
    require_option(1 <= wish.count <= clips, "--worst", wish.count, reason)
    with old.lock():  # at work, its film is about to be another
        pass
    quality = read_film(old.root, console=progress.console).quality
    worst = tuple(find_worst_clips(quality, wish.count))
    found(worst)
    if not worst:
        return WorstRetake(old.root, worst)
    clips_too = add_clips(wish.retake, worst)
    retaken = api.retake(old.root, clips_too, progress=progress, tell=tell)
    now = read_film(retaken.film.run, console=progress.console).quality
    known = {(each.clip, each.what): each for each in measure_clips(now)}
    after = tuple(known.get((each.clip, each.what)) for each in worst)
    return WorstRetake(old.root, worst, after, retaken)


def add_clips(wish: "RetakeRequest", worst: Iterable[ClipMeasure]) -> "RetakeRequest":
    """The wish with these clips, those side by side as one stretch."""
    first, *others = join_clips(each.clip for each in worst)
    return replace(wish, clip=first.start, until=first.stop, others=tuple(others))


def join_clips(clips: Iterable[int]) -> Iterator[range]:
    """Clips in order as stretches of those that follow each other."""
    stretch: range | None = None
    for clip in sorted(clips):
        if stretch is not None and clip == stretch.stop:
            stretch = range(stretch.start, clip + 1)
            continue
        if stretch is not None:
            yield stretch
        stretch = range(clip, clip + 1)
    if stretch is not None:
        yield stretch
