"""A task on a run (or on a clip of it): its commit record is its target, its tries are counted here."""

import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import luigi

from storage.errors import (
    BadOption,
    BadSegment,
    Damaged,
    DeviceLost,
    LongtakeError,
    NoSpace,
    NotReproduced,
    NotWritable,
    OtherNumerics,
    OutOfMemory,
    StageFailed,
    WeightsReplaced,
    WorkFailed,
    count_noun,
    count_times,
)
from storage.printable import spell_unprintable
from storage.refusals import describe_fault, is_out_of_memory, machine_limit
from tasks.cached_runs import cached_run
from tasks.events import emit_event
from tasks.faults import is_device_lost, is_disk_full, is_transient
from tasks.loaded_model import model_traits_of
from tasks.out_of_memory import reduce_memory, smaller_film_command
from tasks.session import Session, get_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from storage.run import Run

LONGEST_PAUSE = 60.0
"""Seconds between two tries."""


DAMAGE_ERRORS = (Damaged, BadSegment)
"""What a reader says of a file that its record does not vouch for."""


REFUSALS = (NotReproduced, OtherNumerics, WeightsReplaced)
"""What says that this machine cannot go on with the run: the clip that it is found out at has not failed."""


PUBLISHED = {"folder": "run"}
"""What a parameter is called on the command line."""


class FolderParameter(luigi.Parameter[str]):
    """The folder of a run. Luigi's summary asks a task for `run`, which is its method, and has it written as text here."""

    def serialize(self, x: Any) -> str:
        """The folder as text; of a task's method, that of its task."""
        return str(x.__self__.folder if callable(x) else x)


class FolderTask(luigi.Task):
    """A task on a run: `--run FOLDER` on the command line and in task ids, `folder` in Python, as `run` is Luigi's own method."""

    folder: str = FolderParameter(description="The folder of the run.")

    @classmethod
    @cache
    def get_params(cls) -> list[tuple[str, Any]]:
        """Luigi's list of the parameters, made once a class: Luigi looks through all attributes, 100 times a clip."""
        named = super().get_params()  # type: ignore[no-untyped-call]
        return [(PUBLISHED.get(name, name), each) for name, each in named]

    @classmethod
    def get_param_values(cls, params: Any, args: Any, kwargs: Any) -> Any:
        """Luigi's values of the parameters, by either name of the folder."""
        named = {PUBLISHED.get(name, name): value for name, value in kwargs.items()}
        return super().get_param_values(params, args, named)  # type: ignore[no-untyped-call]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        # Luigi has put it over the method, by its name on the command line.
        self.folder = self.__dict__.pop("run")

    @property
    def opened_run(self) -> "Run":
        """The run in the folder, read once a process."""
        return cached_run(self.folder)


class RecordTarget(luigi.Target):
    """A commit record: the only thing that says that work is done."""

    def __init__(self, folder: str, stage: str, clip: int | None) -> None:
        self.folder, self.stage, self.clip = folder, stage, clip

    def exists(self) -> bool:
        """True if the record says done."""
        return cached_run(self.folder).records.complete(self.stage, self.clip)


class RunTask(FolderTask):
    """Something that is made once a run, in at most `retry_limit` tries. `run` makes it within one of its `attempts`, and commits it."""

    stage: ClassVar[str]
    """The stage of its record."""
    doing: ClassVar[str]
    """What it is doing, for the line that says that it failed."""
    clip: int | None = None

    def output(self) -> RecordTarget:
        """The commit record of its stage (and clip)."""
        return RecordTarget(self.folder, self.stage, self.clip)

    def attempts(self) -> "Iterator[AbstractContextManager[Session]]":
        """Tries to work in, until one ends well: `for attempt in self.attempts(): with attempt as session: …`.

        A fault that may pass is kept by its try, and there is another. Raises what ends the film: Stopped, damage (Damaged, BadSegment), or one
        LongtakeError that the session then keeps as its failure.
        """
        session, number = get_session(self.folder), 1
        if session.failure is not None:  # what Luigi still gives out ends at once
            raise session.failure.with_traceback(None)
        while True:
            session.stop.raise_if_stopped()
            faults: list[Exception] = []
            yield self._attempt(session, faults)
            if not faults:
                return
            fault = faults.pop()
            if not self._free_something(fault, session):
                self._retry_or_raise(fault, number, session)
                session.stop.wait(retry_pause(number, session.run.settings.retry_delay))
                number += 1
            del fault  # its frames hold memory that the next try needs

    @contextmanager
    def _attempt(self, session: Session, faults: list[Exception]) -> "Iterator[Session]":
        """One try, watched; its fault goes to `faults`."""
        begun = time.monotonic()
        try:
            with session.watchdog.watch(self.stage, self.clip):
                yield session
            seconds = round(time.monotonic() - begun, 4)
            emit_event("stage_seconds", stage=self.stage, clip=self.clip, seconds=seconds)
            show_status(self, f"{self.stage} in {seconds:.2f} s")
        except Exception as fault:  # noqa: BLE001 - whatever a model or a disk raises is a try
            faults.append(fault)

    def _free_something(self, fault: Exception, session: Session) -> bool:
        """True if it was memory or room, and there was something left to give up: that is no try of the clip's own."""
        if is_disk_full(fault):
            pruned = session.disk.pruned
            return session.disk.make_room() and session.disk.pruned > pruned
        if not is_out_of_memory(fault) or (change := reduce_memory(session)) is None:
            return False
        facts = {"stage": self.stage, "clip": self.clip, "error": describe_fault(fault)}
        emit_event("memory_relieved", change=change, **facts)
        return True

    def _retry_or_raise(self, fault: Exception, attempt: int, session: Session) -> None:
        """Return if another try is worth it; else raise the one error that ends the film."""
        if isinstance(fault, DAMAGE_ERRORS):
            # Not the clip's fault: what it is made of is made again, and then the clip.
            session.failure = fault
            session.note_damage(fault)
            raise fault
        facts = {"stage": self.stage, "clip": self.clip, "error": describe_fault(fault)}
        if isinstance(fault, REFUSALS):
            session.failure = fault
            emit_event("run_refused", error=describe_fault(fault))
            raise fault
        if is_device_lost(fault) or not is_transient(fault):
            session.failure = self._final_error(fault, session)
        elif attempt >= session.run.settings.retry_limit:
            session.failure = self._failure_error(attempt, fault)
        if session.failure is not None:
            emit_event("clip_failed", attempts=attempt, **facts)
            if session.failure is fault:  # else it would be its own cause
                raise fault
            raise session.failure from fault
        emit_event("clip_retry", attempt=attempt + 1, **facts)

    def _final_error(self, fault: Exception, session: Session) -> LongtakeError:
        """The error that ends the film at once, for a fault that another try would not mend."""
        if is_device_lost(fault):
            activity = self.doing if self.clip is None else f"{self.doing} clip {self.clip}"
            return DeviceLost(activity, describe_fault(fault), self._resume_command)
        if is_disk_full(fault):
            return NoSpace(session.disk.describe(fault))
        if isinstance(fault, LongtakeError):
            return fault
        return NotWritable(self.folder, describe_fault(fault))

    def _failure_error(self, attempts: int, fault: Exception) -> LongtakeError:
        """The error that ends the film after the last try."""
        told = (count_times(attempts), self.doing, describe_fault(fault))
        if is_out_of_memory(fault) and self.clip is not None:
            smaller = smaller_film_command(
                self.opened_run, model_traits_of(self.opened_run).size_multiple
            )
            return OutOfMemory(self.clip, *told, smaller)
        if (limit := machine_limit(fault)) is not None:
            return limit
        if self.clip is None:
            return StageFailed(*told, self._resume_command)
        return WorkFailed(self.clip, *told, self._resume_command)

    @property
    def _resume_command(self) -> str:
        return get_session(self.folder).part.resume_command(self.opened_run.root)


class ClipTask(RunTask):
    """Something that is made once a clip."""

    clip: int = luigi.IntParameter(description="The clip, counted from 0.")

    order: ClassVar[int] = 0
    """Its place among the stages of its clip; the larger, the sooner."""

    @property
    def opened_run(self) -> "Run":
        """The run in the folder, read once a process; raises BadOption where its film has no such clip."""
        run = super().opened_run
        if not 0 <= self.clip < run.spec.clips:
            clips = count_noun(run.spec.clips, "clip")
            raise BadOption("--clip", self.clip, f"the film has {clips}, counted from 0")
        return run

    @property
    def due(self) -> int:
        """The clip in whose turn this is made."""
        return self.clip

    @property
    def priority(self) -> int:  # type: ignore[override]  # a plain attribute there, a property by Luigi's own manual
        """Clip by clip; falling along the chain, as Luigi recurses where it rises."""
        return -4 * self.due + self.order


def retry_pause(attempt: int, delay: float) -> float:
    """Seconds between this try and the next: each time twice as many."""
    return min(delay * 2.0 ** (attempt - 1), max(delay, LONGEST_PAUSE))


def show_status(task: luigi.Task, words: str) -> None:
    """Put a status text on luigid's page; that it is down never costs a clip."""
    call_luigid(task.set_status_message, spell_unprintable(words))


def call_luigid(call: "Callable[[Any], None] | None", value: object) -> None:
    """Call luigid if there is one; a fault of it is a line in the log."""
    if call is None:
        return
    try:
        call(value)
    except Exception as fault:  # noqa: BLE001 - whatever the network raises
        emit_event("luigid_unreachable", error=describe_fault(fault))
