"""Events on their way to one place: a queue that never grows beyond its bound, and a thread of its own."""

import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.monitor.log_output import log_line
from tasks.events import emit_event, record_events

Message = Mapping[str, object]


class Refused(Exception):  # noqa: N818 - it says what is the matter
    """The place refuses a message, and would refuse it again."""


class Transport(Protocol):
    """A connection that sends messages to one place."""

    @property
    def batch(self) -> int:
        """Number of messages it sends at once, at most."""

    def send(self, messages: Sequence[Message]) -> None:
        """Send the messages, and return when they have arrived; whatever it raises means that none of them may have. Raises Refused."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True)
class SinkLimits:
    """How many events may wait for a place, and how long."""

    queue: int = 1000
    """Messages that wait; beyond it the oldest are dropped."""
    first_pause: float = 0.5
    """Seconds before it is tried again; each time twice as many."""
    longest_pause: float = 30.0
    flush: float = 5.0
    """Seconds at the end, and for the last words of a process that the watchdog ends (which has five)."""


class EventSink:
    """A listener that never waits: it queues events, and a thread of its own sends them in order, each at least once."""

    def __init__(self, name: str, transport: Transport, limits: SinkLimits | None = None) -> None:
        self._name, self._transport, self._limits = name, transport, limits or SinkLimits()
        self._waiting: deque[Message] = deque()
        self._changed = threading.Condition()
        self._sending = self._sequence = self._dropped = 0
        self._warned = self._failed_early = False
        self._reason = "no answer in time"
        self._deadline: float | None = None
        self._sender = {"machine": socket.gethostname(), "pid": os.getpid()}
        self._run = ""
        self._thread = threading.Thread(target=self._work, name="events", daemon=True)
        self._thread.start()

    def add_event(self, event: str, facts: Mapping[str, object]) -> None:
        """Queue an event."""
        if event == "run_started":
            self._run = str(facts["run"])
        with self._changed:
            self._sequence += 1
            run = {"run": self._run} if self._run else {}
            head = {
                "sequence": self._sequence,
                "time": round(time.time(), 3),
                **self._sender,
                **run,
            }
            self._waiting.append({**head, "event": event, **facts})
            if len(self._waiting) > self._limits.queue:
                self._waiting.popleft()
                self._dropped += 1
            self._changed.notify_all()
        if event == "stalled":  # the process ends when this returns
            self._flush(0.8 * self._limits.flush)

    def end(self) -> None:
        """Begin to end: what waits has `flush` seconds to arrive."""
        with self._changed:
            self._deadline = time.monotonic() + self._limits.flush
            self._changed.notify_all()

    def close(self) -> None:
        """Wait until what is queued has arrived or its time is over, and log how many events did not arrive."""
        deadline = self._deadline or time.monotonic()
        self._flush(max(0.0, deadline - time.monotonic()))
        with self._changed:
            self._deadline = -1.0  # over: a thread that hangs in a connection sends nothing more
            lost = self._dropped + len(self._waiting) + self._sending
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join(0.1)
        if self._failed_early and self._run:  # it failed before there was a file to say so in
            self._record("sink_failing", sink=self._name, error=self._reason)
        if lost:
            self._say_lost(lost)

    def _flush(self, limit: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._sending, limit)

    def _work(self) -> None:
        while batch := self._next():
            arrived = self._deliver(batch)
            with self._changed:
                self._sending, self._dropped = 0, self._dropped + len(batch) * (not arrived)
                self._changed.notify_all()
        with suppress(Exception):
            self._transport.close()

    def _next(self) -> list[Message]:
        """The next batch of messages; empty when the end has come."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._deadline is not None)
            count = min(self._transport.batch, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            self._sending = count
            return batch

    def _deliver(self, batch: Sequence[Message]) -> bool:
        pause = self._limits.first_pause
        while True:
            try:
                self._transport.send(batch)
            except Refused as fault:
                self._fail(fault)
                return False
            except Exception as fault:  # noqa: BLE001 - whatever a network or a library raises
                self._fail(fault)
            else:
                return True
            if not self._wait(pause):
                return False
            pause = min(2 * pause, self._limits.longest_pause)

    def _wait(self, pause: float) -> bool:
        """Wait before the next try; False if there is to be none. Near the end the wait is short."""
        with self._changed:
            self._changed.wait_for(lambda: self._deadline is not None, pause)
            if self._deadline is None:
                return True
            left = self._deadline - time.monotonic()
            if left > 0:
                self._changed.wait_for(lambda: self._deadline == -1.0, min(0.2, left))
            return self._deadline > time.monotonic()

    def _fail(self, fault: Exception) -> None:
        """Log that the place does not take events, once."""
        self._reason = describe_reason(fault)
        if not self._warned:
            self._warned = True
            self._failed_early = not self._run
            self._record("sink_failing", sink=self._name, error=self._reason)
            words = f"{self._name} does not take events ({self._reason}); the film goes on"
            log_line(f"[WARN] {words}", logging.WARNING)

    def _say_lost(self, lost: int) -> None:
        what = f"{lost} of {self._sequence} events did not reach {self._name} ({self._reason})"
        self._record("events_dropped", sink=self._name, count=lost, error=self._reason)
        log_line(f"[WARN] {what}; events.jsonl has them all", logging.WARNING)

    def _record(self, event: str, **facts: str | int) -> None:
        """Emit an event into the run's own file, too, also when the session that had it open has ended."""
        with ExitStack() as stack:
            if self._run and Path(self._run).is_dir():
                stack.enter_context(record_events(Path(self._run) / "events.jsonl"))
            emit_event(event, **facts)


def describe_reason(fault: BaseException) -> str:
    """The kind of a fault and the system's own words for it: a library's text may hold the URL, and with it a secret."""
    kinds = [type(fault).__name__]
    cause: BaseException | None = fault
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror and cause.errno:
            return f"{kinds[0]}: {os.strerror(cause.errno)}"
        cause = _inner_cause(cause)
    return f"{kinds[0]}: {fault}" if isinstance(fault, Refused) else kinds[0]


def _inner_cause(fault: BaseException) -> BaseException | None:
    """The fault behind a fault: its cause, its context, or what a library put into its arguments."""
    inner = [each for each in fault.args if isinstance(each, BaseException)]
    reason = getattr(fault, "reason", None)
    if isinstance(reason, BaseException):
        inner.append(reason)
    return fault.__cause__ or fault.__context__ or (inner[0] if inner else None)
