"""A device or an encoder that hangs: seen by the time that it takes, told with the stacks of all threads, and ended."""

import _thread
import faulthandler
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from storage.errors import Stalled
from storage.memory_guard import pulse_guard, start_guard
from storage.spec import STALL_PATIENCE, STALL_TIMES
from tasks.events import emit_event

LAST_WORDS_SECONDS = 5.0
"""Seconds for the event: a disk that hangs must not hold up the end."""


@dataclass
class WatchedStage:
    """One stage of one thread."""

    stage: str
    clip: int | None
    begun: float
    moved: float


class Watchdog:
    """Every thread's present stage, and a thread that looks at them. A limit of 0 looks at nothing."""

    def __init__(
        self,
        limit: float,
        end: "Callable[[WatchedStage, float], None] | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._end, self._now = limit, end or end_process, clock
        self._stages: dict[int, list[WatchedStage]] = {}
        self._usual: dict[str, float] = {}
        self._closed = threading.Event()
        self._tick = min(max(limit / 20, 0.05), 10.0)

    def open(self) -> None:
        """Begin to look."""
        start_guard()
        if self._limit > 0:
            # Not by threading.Thread: its start waits for the thread, and without memory for ever.
            _thread.start_new_thread(self._run_thread, ())

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    @contextmanager
    def watch(self, stage: str, clip: int | None = None) -> Iterator[None]:
        """Say what the calling thread does meanwhile; what it did before goes on afterwards."""
        now = self._now()
        mine = self._stages.setdefault(threading.get_ident(), [])
        mine.append(WatchedStage(stage, clip, now, now))
        try:
            yield
            seconds = self._now() - now
            self._usual[stage] = max(seconds, 0.8 * self._usual.get(stage, 0.0))
        finally:
            mine.pop()
            self.pulse()

    def pulse(self) -> None:
        """Say that the calling thread has moved on."""
        pulse_guard()
        self.wait_for_other()

    def wait_for_other(self) -> None:
        """Say that the calling thread stands still for one that is watched by itself."""
        for stage in self._stages.get(threading.get_ident(), ())[-1:]:
            stage.moved = self._now()

    def allowed(self, stage: str) -> float:
        """Seconds without a move after which a stage is held for hung."""
        usual = self._usual.get(stage)
        return (
            STALL_PATIENCE * self._limit
            if usual is None or stage == "load"
            else max(self._limit, STALL_TIMES * usual)
        )

    def _run_thread(self) -> None:
        last = self._now()
        while not self._wait():
            now = self._now()
            late = now - last - self._tick
            # Nobody ran: the process was stopped (Ctrl-Z) or the machine slept, and that is no fault of a device.
            with suppress(MemoryError):  # the next look is in a moment
                self._check_stages(now, late if late > 4 * self._tick + 1 else 0.0)
            last = now

    def _wait(self) -> bool:
        """Let a tick pass; True if it is over."""
        try:
            return self._closed.wait(self._tick)
        except MemoryError:  # waiting takes a lock
            time.sleep(self._tick)
            return self._closed.is_set()

    def _check_stages(self, now: float, asleep: float) -> None:
        for stages in tuple(self._stages.values()):
            for stage in tuple(stages)[-1:]:
                stage.moved += asleep
                if now - stage.moved > self.allowed(stage.stage):
                    self._end(stage, now - stage.moved)
                elif now - stage.moved <= STALL_TIMES * self._usual.get(stage.stage, 0.0):
                    pulse_guard()  # it knows no stages


def end_process(stage: WatchedStage, seconds: float) -> None:
    """Tell what hung, with all stacks, and end the process: what is half-written is a draft, and nothing published is hurt."""
    told = threading.Thread(target=_emit_stalled, args=(stage, seconds), daemon=True)
    told.start()
    told.join(LAST_WORDS_SECONDS)
    if told.is_alive():
        os.write(
            sys.__stderr__.fileno() if sys.__stderr__ else 2,
            f"{describe_stall(stage, seconds)}\n".encode(),
        )
    os._exit(Stalled.exit_code)


def describe_stall(stage: WatchedStage, seconds: float) -> str:
    """The one line."""
    what = stage.stage if stage.clip is None else f"{stage.stage} of clip {stage.clip}"
    return f"longtake: {Stalled(f'{seconds:.0f}', what)}"


def _emit_stalled(stage: WatchedStage, seconds: float) -> None:
    facts = {"stage": stage.stage, "clip": stage.clip, "seconds": round(seconds, 1)}
    emit_event("stalled", **facts, line=describe_stall(stage, seconds), stacks=dump_stacks())


def dump_stacks() -> str:
    """What every thread is doing."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()
