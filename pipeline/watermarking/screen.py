"""What `longtake whose` says: which ids, from when to when, and how sure."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.json_output import to_json, to_plain
from pipeline.monitor.progress import make_progress
from pipeline.quality.video_reader import count_frames
from pipeline.watermarking.detector import FilmIds, Stretch, find_ids
from storage.errors import BadFilm, NotMade
from storage.watermark_id import describe_id
from tasks.timeline import clock_tenths

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from storage.run import Run


@dataclass(frozen=True)
class Answer:
    """Whose a film is."""

    ids: FilmIds
    own: str = ""
    """The id that its run has in its film; empty where that is not known or has none."""

    def as_json(self) -> str:
        """The answer as one JSON object, for machines."""
        found = [{**to_plain(each), "text": each.text} for each in self.ids.found]
        facts: dict[str, Any] = {**to_plain(self.ids), "found": found, "run_id": self.own}
        return to_json(facts)


def ask_film(path: Path, console: "Console | None") -> Answer:
    """Look for ids in a film's file, or in the film of a run. Raises NotMade, NotARun, BadFilm."""
    from storage.remote.address import name_run
    from tasks.open_run import open_run

    if path.is_file():
        return Answer(_find_with_bar(path, console))
    if not path.is_dir():
        raise BadFilm(path, "there is no such file")
    run = open_run(path)
    if not run.records.complete("video"):
        raise NotMade(f"The film of {name_run(run.root)}")
    return Answer(_find_with_bar(run.video_path, console), run.spec.watermark)


@dataclass(frozen=True)
class FoundWatermark:
    """Whether a film carries the id that its run hides in it."""

    id: str
    """In hexadecimal digits."""
    shown: float
    """Seconds of the film in which it was found."""
    seconds: float
    """Of the whole film."""

    def __str__(self) -> str:
        """In words: `The film carries its watermark, ABC (414243000000).` or what is missing of it."""
        name = describe_id(self.id)
        if not self.shown:
            return f"Its watermark, {name}, was not found in the film."
        # What is read is seconds: a rest of less at either end is none.
        if self.shown > self.seconds - 2:
            return f"The film carries its watermark, {name}."
        return f"The film carries its watermark, {name}, in {tell_time(self.shown)} of {tell_time(self.seconds)}."


def find_own_id(run: "Run", console: "Console | None" = None) -> FoundWatermark:
    """Look in the film of a run, which is there, for the id that was asked for. Raises BadFilm."""
    ids = _find_with_bar(run.video_path, console)
    shown = sum(each.until - each.first for each in ids.found if each.id == run.spec.watermark)
    return FoundWatermark(run.spec.watermark, shown, ids.seconds)


def show_answer(answer: Answer) -> Iterator[str]:
    """A line for each stretch that holds an id."""
    ids = answer.ids
    for each in ids.found:
        yield f"{ids.film}: {describe_id(each.id)} {_describe_place(each)}; by chance at most {_describe_chance(each)}"
    if answer.own and any(each.id != answer.own for each in ids.found):
        yield f"The run's own id is {describe_id(answer.own)}."


def _describe_place(stretch: Stretch) -> str:
    span = f"from {tell_time(stretch.first)} to {tell_time(stretch.until)}"
    mirrored = ", mirrored" if stretch.mirrored else ""
    return f"{span}{', in all frames together' if stretch.whole else ''}{mirrored}"


def _describe_chance(stretch: Stretch) -> str:
    """`1 in 10^40`."""
    return f"1 in 10^{math.floor(-math.log10(max(stretch.chance, 1e-300)))}"


def tell_time(seconds: float) -> str:
    """A time in a film, as h:mm:ss.s."""
    return clock_tenths(Fraction(seconds))


@contextmanager
def _frame_bar(path: Path, console: "Console | None") -> "Iterator[Callable[[int], None]]":
    """A bar on a terminal, which counts frames."""
    if console is None:
        yield lambda _: None
        return
    total = count_frames(path)
    with make_progress(console, unit="frame", transient=True) as bar:
        task = bar.add_task(f"watching {path.name}", total=total, left="", speed="")
        yield lambda number: bar.update(task, completed=number)


def _find_with_bar(path: Path, console: "Console | None") -> FilmIds:
    with _frame_bar(path, console) as watch:
        return find_ids(path, watch)
