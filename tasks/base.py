"""A task of a run (and a clip): its record is its target, its tries are counted here."""

import time
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import luigi

from storage.errors import (
    BadSegment,
    Damaged,
    DeviceLost,
    LongtakeError,
    NoSpace,
    NotWritable,
    OutOfMemory,
    StageFailed,
    WorkFailed,
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
    from collections.abc import Callable

    from storage.run import Run

LONGEST_PAUSE = 60.0
"""Seconds between two tries."""


DAMAGE_ERRORS = (Damaged, BadSegment)
"""What a reader says of a file that its record does not vouch for."""


class RunFolder(str):
    """A task's `run`: the folder's path as text; called, the task does its work.

    Luigi's method has the name that the parameter has on the command line, so it must be both.
    """

    _task: Any

    def __call__(self) -> None:
        """What Luigi calls `run`."""
        self._task.work()


class RunParameter(luigi.Parameter):
    """The folder of the run, called `run` as on the command line."""

    def __get__(self, instance: Any, owner: Any) -> Any:
        """The parameter itself for Luigi's register, the folder for a task."""
        if instance is None:
            return self
        folder = RunFolder(instance.__dict__["run"])
        folder._task = instance
        return folder


class RecordTarget(luigi.Target):
    """A commit record: the only thing that says that work is done."""

    def __init__(self, folder: str, stage: str, clip: int | None) -> None:
        self.folder, self.stage, self.clip = folder, stage, clip

    def exists(self) -> bool:
        """True if the record says done."""
        return cached_run(self.folder).records.complete(self.stage, self.clip)


@cache
def _parameters_of(kind: "type[RunTask]") -> Any:
    return super(RunTask, kind).get_params()  # type: ignore[no-untyped-call]


class RunTask(luigi.Task):
    """Something that is made once a run, in at most `retry_limit` tries."""

    run: Any = RunParameter(description="The folder of the run.")
    stage: ClassVar[str]
    """The stage of its record."""
    doing: ClassVar[str]
    """What it is doing, for the line that says that it failed."""

    @classmethod
    def get_params(cls) -> Any:
        """Luigi's list of the parameters, made once a class: Luigi looks through all attributes, 100 times a clip."""
        return _parameters_of(cls)

    @property
    def folder(self) -> str:
        """The run's folder, as plain text."""
        return str(self.run)

    @property
    def opened_run(self) -> "Run":
        """The run."""
        return cached_run(self.folder)

    @property
    def clip_index(self) -> int | None:
        """Its clip."""
        return None

    def output(self) -> RecordTarget:
        """Its record."""
        return RecordTarget(self.folder, self.stage, self.clip_index)

    def produce(self, session: Session) -> None:
        """Make it and commit it."""
        raise NotImplementedError

    def prepare(self, session: Session) -> None:
        """See that the disk has room for it."""
        session.disk.check()

    def work(self) -> None:
        """Make it, again after a fault that may pass; what Luigi calls `run`."""
        session = get_session(self.folder)
        if (
            session.failure is not None
        ):  # the film has failed: what Luigi still gives out ends at once
            raise session.failure.with_traceback(None)
        attempt = 1
        while True:
            session.stop.raise_if_stopped()
            try:
                return self._produce_once(session)
            except Exception as fault:  # noqa: BLE001 - whatever a model or a disk raises is a try
                if self._free_something(fault, session):
                    continue
                self._retry_or_raise(fault, attempt, session)
                session.stop.wait(retry_pause(attempt, session.run.settings.retry_delay))
                attempt += 1

    def _produce_once(self, session: Session) -> None:
        begun = time.monotonic()
        with session.watchdog.watch(self.stage, self.clip_index):
            self.prepare(session)
            self.produce(session)
        seconds = round(time.monotonic() - begun, 4)
        emit_event("stage_seconds", stage=self.stage, clip=self.clip_index, seconds=seconds)
        show_status(self, f"{self.stage} in {seconds:.2f} s")

    def _free_something(self, fault: Exception, session: Session) -> bool:
        """True if it was memory or room, and there was something left to give up: that is no try of the clip's own."""
        if is_disk_full(fault):
            pruned = session.disk.pruned
            return session.disk.make_room() and session.disk.pruned > pruned
        if not is_out_of_memory(fault) or (change := reduce_memory(session)) is None:
            return False
        facts = {"stage": self.stage, "clip": self.clip_index, "error": describe_fault(fault)}
        emit_event("memory_relieved", change=change, **facts)
        return True

    def _retry_or_raise(self, fault: Exception, attempt: int, session: Session) -> None:
        """Return if another try is worth it; else raise the one error that ends the film."""
        if isinstance(fault, DAMAGE_ERRORS):
            # Not the clip's fault: what it is made of is made again, and then the clip.
            session.failure = fault
            session.note_damage(fault)
            raise fault
        facts = {"stage": self.stage, "clip": self.clip_index, "error": describe_fault(fault)}
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
        """A fault that the same again would not mend, as one of our errors."""
        if is_device_lost(fault):
            return DeviceLost(self._activity, describe_fault(fault), self._resume_command)
        if is_disk_full(fault):
            return NoSpace(session.disk.describe(fault))
        if isinstance(fault, LongtakeError):
            return fault
        return NotWritable(self.folder, describe_fault(fault))

    def _failure_error(self, attempts: int, fault: Exception) -> LongtakeError:
        told = (count_times(attempts), self.doing, describe_fault(fault))
        if is_out_of_memory(fault) and self.clip_index is not None:
            smaller = smaller_film_command(
                self.opened_run, model_traits_of(self.opened_run).size_multiple
            )
            return OutOfMemory(self.clip_index, *told, smaller)
        if (limit := machine_limit(fault)) is not None:
            return limit
        if self.clip_index is None:
            return StageFailed(*told, self._resume_command)
        return WorkFailed(self.clip_index, *told, self._resume_command)

    @property
    def _activity(self) -> str:
        return self.doing if self.clip_index is None else f"{self.doing} clip {self.clip_index}"

    @property
    def _resume_command(self) -> str:
        return get_session(self.folder).part.resume_command(self.opened_run.root)


class ClipTask(RunTask):
    """Something that is made once a clip."""

    clip: int = luigi.IntParameter(description="The clip, counted from 0.")

    order: ClassVar[int] = 0
    """Its place among the stages of its clip; the larger, the sooner."""

    @property
    def due(self) -> int:
        """The clip whose turn is its own."""
        return self.clip

    @property
    def priority(self) -> int:  # type: ignore[override]  # a plain attribute there, a property by Luigi's own manual
        """Clip by clip; falling along the chain, as Luigi recurses where it rises."""
        return -4 * self.due + self.order

    @property
    def clip_index(self) -> int | None:
        """Its clip."""
        return self.clip


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
