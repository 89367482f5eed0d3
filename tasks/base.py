"""A task of a run (and a clip): its record is its target, its tries are counted here."""

import time
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import luigi

from storage.errors import (
    BadInput,
    BadSegment,
    Damaged,
    DeviceLost,
    LongtakeError,
    NoSpace,
    NotWritable,
    OutOfMemory,
    StageFailed,
    WorkFailed,
    times,
)
from storage.printable import printable
from storage.refusals import line_of, machine_limit, ran_out
from tasks.events import emit
from tasks.faults import is_full, lost_device, may_pass
from tasks.memory import relieve, smaller_film
from tasks.session import Session, opened, session_of, traits_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from storage.run import Run

LONGEST_PAUSE = 60.0
"""Seconds between two tries."""


DAMAGE = (Damaged, BadSegment)
"""What a reader says of a file that its record does not vouch for."""


class Folder(str):
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
        folder = Folder(instance.__dict__["run"])
        folder._task = instance
        return folder


class Record(luigi.Target):
    """A commit record: the only thing that says that work is done."""

    def __init__(self, folder: str, stage: str, clip: int | None) -> None:
        self.folder, self.stage, self.clip = folder, stage, clip

    def exists(self) -> bool:
        """True if the record says done."""
        return opened(self.folder).records.complete(self.stage, self.clip)


@cache
def _params_of(kind: "type[RunTask]") -> Any:
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
        return _params_of(cls)

    @property
    def folder(self) -> str:
        """The run's folder, as plain text."""
        return str(self.run)

    @property
    def of(self) -> "Run":
        """The run."""
        return opened(self.folder)

    @property
    def index(self) -> int | None:
        """Its clip."""
        return None

    def output(self) -> Record:
        """Its record."""
        return Record(self.folder, self.stage, self.index)

    def make(self, session: Session) -> None:
        """Make it and commit it."""
        raise NotImplementedError

    def prepare(self, session: Session) -> None:
        """See that the disk has room for it."""
        session.space.check()

    def work(self) -> None:
        """Make it, again after a fault that may pass; what Luigi calls `run`."""
        session = session_of(self.folder)
        if (
            session.failure is not None
        ):  # the film has failed: what Luigi still gives out ends at once
            raise session.failure.with_traceback(None)
        attempt = 1
        while True:
            session.stop.heed()
            try:
                return self._make(session)
            except Exception as fault:  # noqa: BLE001 - whatever a model or a disk raises is a try
                if self._relieve(fault, session):
                    continue
                self._consider(fault, attempt, session)
                session.stop.wait(pause_before(attempt, session.run.settings.retry_delay))
                attempt += 1

    def _make(self, session: Session) -> None:
        begun = time.monotonic()
        with session.watchdog.watch(self.stage, self.index):
            self.prepare(session)
            self.make(session)
        seconds = round(time.monotonic() - begun, 4)
        emit("stage_seconds", stage=self.stage, clip=self.index, seconds=seconds)
        say(self, f"{self.stage} in {seconds:.2f} s")

    def _relieve(self, fault: Exception, session: Session) -> bool:
        """True if it was memory or room, and there was something left to give up: that is no try of the clip's own."""
        if is_full(fault):
            pruned = session.space.pruned
            return session.space.make_room() and session.space.pruned > pruned
        if not ran_out(fault) or (change := relieve(session)) is None:
            return False
        facts = {"stage": self.stage, "clip": self.index, "error": line_of(fault)}
        emit("memory_relieved", change=change, **facts)
        return True

    def _consider(self, fault: Exception, attempt: int, session: Session) -> None:
        """Return if another try is worth it; else raise the one error that ends the film."""
        if isinstance(fault, DAMAGE):
            # Not the clip's fault: what it is made of is made again, and then the clip.
            session.failure = fault
            session.met(fault)
            raise fault
        facts = {"stage": self.stage, "clip": self.index, "error": line_of(fault)}
        if lost_device(fault) or not may_pass(fault):
            session.failure = self._final(fault, session)
        elif attempt >= session.run.settings.retry_limit:
            session.failure = self._failed(attempt, fault)
        if session.failure is not None:
            emit("clip_failed", attempts=attempt, **facts)
            if session.failure is fault:  # else it would be its own cause
                raise fault
            raise session.failure from fault
        emit("clip_retry", attempt=attempt + 1, **facts)

    def _final(self, fault: Exception, session: Session) -> LongtakeError:
        """A fault that the same again would not mend, as one of our errors."""
        if lost_device(fault):
            return DeviceLost(self._doing, line_of(fault), self._command)
        if is_full(fault):
            return NoSpace(session.space.words(fault))
        if isinstance(fault, LongtakeError):
            return fault
        return NotWritable(self.folder, line_of(fault))

    def _failed(self, attempts: int, fault: Exception) -> LongtakeError:
        told = (times(attempts), self.doing, line_of(fault))
        if ran_out(fault) and self.index is not None:
            smaller = smaller_film(self.of, traits_of(self.of).size_multiple)
            return OutOfMemory(self.index, *told, smaller)
        if (limit := machine_limit(fault)) is not None:
            return limit
        if self.index is None:
            return StageFailed(*told, self._command)
        return WorkFailed(self.index, *told, self._command)

    @property
    def _doing(self) -> str:
        return self.doing if self.index is None else f"{self.doing} clip {self.index}"

    @property
    def _command(self) -> str:
        return session_of(self.folder).part.resume_command(self.of.root)


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
    def index(self) -> int | None:
        """Its clip."""
        return self.clip


def pause_before(attempt: int, delay: float) -> float:
    """Seconds between this try and the next: each time twice as many."""
    return min(delay * 2.0 ** (attempt - 1), max(delay, LONGEST_PAUSE))


def say(task: luigi.Task, words: str) -> None:
    """Put a status text on luigid's page; that it is down never costs a clip."""
    tell(task.set_status_message, printable(words))


def tell(call: "Callable[[Any], None] | None", value: object) -> None:
    """Call luigid if there is one; a fault of it is a line in the log."""
    if call is None:
        return
    try:
        call(value)
    except Exception as fault:  # noqa: BLE001 - whatever the network raises
        emit("luigid_unreachable", error=line_of(fault))


def by_product(stage: str, clip: int, write: "Callable[[], None]") -> None:
    """Write what the film can do without: its fault is told, and is not the clip's. A full disk is everyone's."""
    for last in (False, True):
        try:
            return write()
        except Exception as fault:
            if not may_pass(fault) and not isinstance(fault, BadInput):
                raise
            if last:
                emit("by_product_failed", stage=stage, clip=clip, error=line_of(fault))
    return None
