"""What the films of a table will take of some machines: hours, machine hours, bytes, money; by the arithmetic of a plan for each."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.batch.batch import BatchRequest, read_orders
from pipeline.commands.parser import parse_command
from pipeline.json_output import to_json
from pipeline.monitor.words import film_length, format_bytes, time_in_words
from pipeline.options.sources import gather_options, make_request
from pipeline.plan.estimate import Estimate, PlanInput, estimate_film
from pipeline.plan.fleet import FilmWork, Fleet, find_bound, schedule_films
from pipeline.plan.gpus import find_gpu
from pipeline.plan.planner import PlanOptions, settle_request, with_rehearsal
from storage.errors import BadOption, LongtakeError, count_noun
from tasks.preflight import inputs_bytes

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.plan.rehearsal import RehearsalCosts

MOST_MACHINES = 1_000_000
Kind = tuple[object, ...]
"""What decides how long a clip takes: films that are alike in it are rehearsed once."""


@dataclass(frozen=True)
class Machines:
    """So many machines of one kind."""

    gpu: str | None = None
    """As --gpu calls a machine; None: ones like this."""
    count: int = 1

    @classmethod
    def from_word(cls, word: str) -> "Machines":
        """Out of `4090x4*10`, `4090` (one) or `10` (machines like this one). Raises BadOption."""
        found = re.fullmatch(r"(?:(.+)\*)?([0-9]{1,7})", word)
        if found is None or found[1] is None:
            with suppress(BadOption):  # 4090 is a card, and not so many machines
                find_gpu(word)
                return cls(word)
        if found is None or not 1 <= int(found[2]) <= MOST_MACHINES:
            raise BadOption("--machines", word, "4090x4*10, or how many like this one, is needed")
        if found[1] is not None:
            try:
                find_gpu(found[1])
            except BadOption as error:
                raise BadOption("--machines", word, error.args[-1]) from None
        return cls(found[1], int(found[2]))


@dataclass(frozen=True)
class BatchPlan:
    """What a batch will take, and of which films nobody can say."""

    machine: str
    machines: int
    films: int
    clips: int
    seconds: float
    """Length of all films."""
    hours: float
    """Until the last film is there, each machine at one film at a time."""
    bound: float
    """Hours below which no order of the films comes."""
    machine_hours: float
    stored: int
    """Bytes that all runs keep."""
    moved: int
    """Bytes between the machines and where inputs and runs lie: the inputs once, and all that is published."""
    price: float | None
    """Of the machine hours; None where no price is given."""
    source: str
    """What the times are known from."""
    refused: tuple[str, ...]
    """A line for each film that cannot be made, or of which no time is known."""
    short: tuple[str, ...]
    """A line for each film that does not fit."""

    def as_json(self) -> str:
        """The plan as one JSON object, for machines."""
        return to_json(self)


def plan_batch(
    request: BatchRequest,
    machines: Machines,
    price: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
    *,
    rehearse: bool | None = None,
) -> BatchPlan:
    """The plan of a table's films; `tell` hears of each that is looked at; `rehearse` as of PlanOptions, on this machine alone. Raises BadTable, BadOption, and BadInput where none can be made."""
    planner = _Planner(
        PlanOptions(gpu=machines.gpu, rehearse=rehearse if machines.gpu is None else False)
    )
    for order in read_orders(request):
        tell(order.place)
        planner.add_film(order.place, order.words)
    work = planner.work
    if not work:
        raise BadOption("--batch", request.table, planner.refused[0])
    alone = sum(film.seconds for film in work) / 3600
    last = planner.estimates[-1]
    return BatchPlan(
        machine=last.machine,
        machines=machines.count,
        films=len(work),
        clips=sum(film.clips for film in work),
        seconds=sum(each.film.seconds for each in planner.estimates),
        hours=schedule_films(_longest_first(work), Fleet(machines.count)).seconds / 3600,
        bound=find_bound(work, machines.count) / 3600,
        machine_hours=alone,
        stored=sum(each.disk.total for each in planner.estimates),
        moved=planner.moved,
        price=None if price is None else alone * price,
        source=last.time.source,
        refused=tuple(planner.refused),
        short=tuple(planner.short),
    )


class _Planner:
    """Plans film after film; the first of each kind is rehearsed, where its machine is this one and that takes seconds."""

    def __init__(self, options: PlanOptions) -> None:
        self._options = options
        self._costs: dict[Kind, RehearsalCosts | None] = {}
        self.estimates: list[Estimate] = []
        self.work: list[FilmWork] = []
        self.moved = 0
        self.refused: list[str] = []
        self.short: list[str] = []

    def add_film(self, place: str, words: tuple[str, ...]) -> None:
        """Plan a film by the words that make it."""
        try:
            given = gather_options(parse_command(words).given, os.environ, Path.cwd())
            plan_input = self._measure(settle_request(make_request(given), self._options))
        except LongtakeError as error:
            self.refused.append(f"{place}: {error}")
            return
        found = estimate_film(plan_input)
        if found.time.film is None or found.time.clip is None:
            self.refused.append(f"{place}: how long it takes is {found.time.source}")
            return
        if short := [name for name in found.short if name != "disk"]:
            self.short.append(f"{place}: there is not enough {' and '.join(short)} memory")
        self.estimates.append(found)
        self.work.append(_work_of(plan_input, found))
        self.moved += _count_moved(plan_input, found)

    def _measure(self, plan_input: PlanInput) -> PlanInput:
        spec = plan_input.resolved.spec
        kind = (spec.model, spec.width, spec.height, spec.steps, spec.clip_frames, spec.speakers)
        if kind not in self._costs:
            self._costs[kind] = with_rehearsal(plan_input, self._options).costs
        return replace(plan_input, costs=self._costs[kind])


def _longest_first(work: list[FilmWork]) -> list[FilmWork]:
    """The films in the order that a batch gives them out in, where there are several machines."""
    return sorted(work, key=lambda film: -film.clips)


def _work_of(plan_input: PlanInput, found: Estimate) -> FilmWork:
    """The film's time as load, clips and end."""
    clip, film = found.time.clip or 0.0, found.time.film or 0.0
    clips = found.film.clips
    return FilmWork(
        max(film - clips * clip, 0.0), clip, clips, carry_every=plan_input.carry_interval
    )


def _count_moved(plan_input: PlanInput, found: Estimate) -> int:
    """Bytes: the inputs, all that is kept, and the state checkpoints that newer ones took the place of."""
    traits, every = plan_input.resolved.traits, plan_input.carry_interval
    written = found.film.clips // every if every else 0
    gone = max(written - found.carries, 0) * traits.carry_bytes
    return inputs_bytes(plan_input.resolved.request) + found.disk.total + gone


def show_batch_plan(plan: BatchPlan) -> "Iterator[RenderableType]":
    """The plan as a screen."""
    from rich.table import Table

    yield f"{count_noun(plan.films, 'film')}, {film_length(round(plan.seconds), 1)} in {count_noun(plan.clips, 'clip')}, on {plan.machines} × {plan.machine}"
    table = Table.grid(padding=(0, 2))
    rows = {
        "until all are there": f"{time_in_words(plan.hours * 3600)} (in any order at least {time_in_words(plan.bound * 3600)})",
        "machine hours": f"{plan.machine_hours:.2f}",
        "stored": format_bytes(plan.stored),
        "moved": f"{format_bytes(plan.moved)}, where runs and inputs lie elsewhere",
        "price": None if plan.price is None else f"{plan.price:.2f}",
        "known from": plan.source,
    }
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, value)
    yield table
    yield from plan.refused
    yield from plan.short
