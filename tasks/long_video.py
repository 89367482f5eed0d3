"""What a person names on Luigi's command line: `luigi --module tasks LongVideo --image … --audio …`. The tasks that it drives stand in film.py."""

from functools import cached_property
from os.path import realpath
from typing import Any

import luigi

from storage.errors import LongtakeError
from storage.names import is_run
from storage.remote.address import find_url, is_url
from storage.scan import RunScan
from tasks.base import FolderTask, call_luigid
from tasks.clip import segment_is_there
from tasks.events import Fact, listen_to_events
from tasks.film import MuxVideo, make_film
from tasks.options import OPTIONS, SWITCH, Option
from tasks.request import Request
from tasks.resolve import freeze_resolved, resolve_request
from tasks.resolved_request import ResolvedRequest
from tasks.store_run import hold_store_run


class OptionParameter(luigi.Parameter[Any]):
    """An option as Luigi's parameter: a word, which Request.from_words reads, or the value itself; None where nothing is said."""

    def __init__(self, option: Option) -> None:
        more: dict[str, Any] = {} if option.name in {"image", "audio"} else {"default": None}
        super().__init__(description=option.help, **more)

    def serialize(self, x: Any) -> str:
        """The value as a word."""
        return "" if x is None else str(x)


def luigi_parameters() -> dict[str, Any]:
    """One for each option by its name, but for the run's folder, which every task has."""
    return {
        name: luigi.BoolParameter(default=False, description=option.help)
        if option.kind is SWITCH
        else OptionParameter(option)
        for name, option in OPTIONS.items()
        if name != "run" and not option.cli_only
    }


class LongVideo(FolderTask):
    """A picture and a soundtrack become a film. Freezes the spec, drives the rest."""

    folder: str = luigi.Parameter(default="", description="The run's folder.")
    locals().update(luigi_parameters())
    _made = False
    _count, _total = 0, 1

    @cached_property
    def request(self) -> Request:
        """These parameters as a Request; what was not given stays so."""
        return Request.from_words(self.param_kwargs, source="luigi")

    @property
    def resources(self) -> dict[str, int]:  # type: ignore[override]  # a plain attribute there, a property by Luigi's own manual
        """The run's folder, which luigid gives to one worker at a time."""
        return {name_resource(self.folder): 1} if self.folder else {}

    @cached_property
    def resolved(self) -> ResolvedRequest:
        """The request, checked."""
        return resolve_request(self.request)

    def complete(self) -> bool:
        """True if the film is there; False also where something stands in the way, which `run` then says."""
        try:
            resolved = self.resolved
        except LongtakeError:
            return False
        return self._made or is_done(resolved)

    def run(self) -> None:
        """Freeze the spec, make the film."""
        with hold_store_run(self.request.run), listen_to_events(self._show_progress):
            if find_url(self.resolved.root) is not None:
                del self.resolved  # only now it can be known what is there
            run = freeze_resolved(self.resolved)
            call_luigid(self.set_tracking_url, run.root.as_uri())
            make_film(run, self.request.part, local_scheduler=None)
        self._made = True

    def _show_progress(self, event: str, facts: dict[str, Fact]) -> None:
        """Put progress on luigid's page."""
        if event == "run_started":
            self._count, self._total = int(facts["done"] or 0), int(facts["clips"] or 1)
        if event == "clip_published":
            self._count += 1
            call_luigid(self.set_progress_percentage, 100 * self._count // self._total)
            call_luigid(self.set_status_message, f"{self._count} of {self._total} clips")


def name_resource(place: str) -> str:
    """What luigid calls a run, by its folder (however that is spelled) or URL: of each it has one."""
    return f"longtake.{place if is_url(place) else realpath(place)}"


def is_done(resolved: ResolvedRequest) -> bool:
    """True if the film of a request is there, whole: the film, every clip of it, and the copy that was asked for."""
    span = resolved.part.span(resolved.spec.clips)
    if not is_run(resolved.root) or len(span) < resolved.spec.clips:
        return False
    film, output = (
        MuxVideo(folder=str(resolved.root)),
        resolved.part.output(resolved.root, resolved.spec),
    )
    there = film.complete() and all(segment_is_there(film.opened_run, clip) for clip in span)
    damage = (
        found for found in RunScan(film.opened_run, thorough=False).findings() if found.damage
    )
    whole = there and next(damage, None) is None
    asked, made = resolved.settings, film.opened_run.settings
    marked = (asked.title, asked.producer) == (made.title, made.producer)
    return whole and marked and (output is None or output.is_done)
