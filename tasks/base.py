"""A task of a run (and a clip): its record is its target, its tries are counted here."""

import errno
import time
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import luigi

from storage.errors import (
    BadInput,
    BadSegment,
    Damaged,
    LongtakeError,
    NoSpace,
    RunError,
    StageFailed,
    WorkFailed,
)
from tasks.events import emit
from tasks.session import Session, opened, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from storage.run import Run


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

    def work(self) -> None:
        """Make it, again after a fault that may pass; what Luigi calls `run`."""
        session = session_of(self.folder)
        if (
            session.failure is not None
        ):  # the film has failed: what Luigi still gives out ends at once
            raise session.failure
        for attempt in range(1, session.run.settings.retry_limit + 1):
            session.stop.heed()
            try:
                self._make(session)
            except Exception as fault:  # noqa: BLE001 - whatever a model or a disk raises is a try
                self._consider(fault, attempt, session)
                session.stop.wait(session.run.settings.retry_delay)
            else:
                return

    def _make(self, session: Session) -> None:
        begun = time.monotonic()
        self.make(session)
        seconds = round(time.monotonic() - begun, 4)
        emit("stage_seconds", stage=self.stage, clip=self.index, seconds=seconds)
        say(self, f"{self.stage} in {seconds:.2f} s")

    def _consider(self, fault: Exception, attempt: int, session: Session) -> None:
        """Return if another try is worth it; else raise the one error that ends the film."""
        if isinstance(fault, DAMAGE):
            # Not the clip's fault: what it is made of is made again, and then the clip.
            session.failure = fault
            session.met(fault)
            raise fault
        facts = {"stage": self.stage, "clip": self.index, "error": line_of(fault)}
        if not may_pass(fault):
            session.failure = final(fault, self.of)
            emit("clip_failed", attempts=attempt, **facts)
            raise session.failure from fault
        if attempt >= session.run.settings.retry_limit:
            session.failure = self._failed(attempt, fault)
            emit("clip_failed", attempts=attempt, **facts)
            raise session.failure from fault
        emit("clip_retry", attempt=attempt + 1, **facts)

    def _failed(self, attempts: int, fault: Exception) -> LongtakeError:
        if self.index is None:
            return StageFailed(attempts, self.doing, line_of(fault))
        return WorkFailed(self.index, attempts, self.doing, line_of(fault))


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


def may_pass(fault: Exception) -> bool:
    """True if the same again may go well."""
    full = isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return not full and not isinstance(fault, RunError | BadInput)


def final(fault: Exception, run: "Run") -> LongtakeError:
    """The fault as one of our errors."""
    return fault if isinstance(fault, LongtakeError) else NoSpace(run.root)


def line_of(fault: BaseException) -> str:
    """A fault in one line."""
    words = " ".join(str(fault).split())
    return f"{type(fault).__name__}: {words}" if words else type(fault).__name__


def say(task: luigi.Task, words: str) -> None:
    """Put a status text on luigid's page; that it is down never costs a clip."""
    tell(task.set_status_message, words)


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
    try:
        write()
    except Exception as fault:
        if not may_pass(fault) and not isinstance(fault, BadInput):
            raise
        emit("by_product_failed", stage=stage, clip=clip, error=line_of(fault))
