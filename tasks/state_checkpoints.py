"""When the denoiser's state is saved (a state checkpoint, on the disk a carry), and the thread that writes it: one at a time and one in memory, never a queue."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage.refusals import describe_fault
from storage.spec import CARRY_FIRST
from tasks.events import emit_event
from tasks.host_memory import host_bytes_free

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.avatar import Denoiser
    from storage.run import Run
    from tasks.watchdog import Watchdog

    Pieces = list[tuple[str, NDArray[Any]]]

COST_SHARE = 0.02
"""Of the time of the clips, what their carries may take."""
GRACE_SECONDS = 2.0
"""Seconds that a carry may still take after a signal."""


@dataclass(frozen=True)
class CheckpointCost:
    """What a carry takes."""

    size: int
    """Bytes, about."""
    on_card: bool
    """Whether the denoiser leaves the processor alone: writing then takes nothing from it but the pause."""


def choose_interval(seconds: float, cost: float, clip_seconds: float) -> int:
    """As few carries as cost their share of the time, and no more than can be written one after the other: a power of two."""
    least = max(cost / COST_SHARE, seconds) / clip_seconds
    return next(1 << n for n in range(64) if 1 << n >= least)


class ThreadClock:
    """The processor seconds of a thread, also when it has ended."""

    def __init__(self, thread: threading.Thread) -> None:
        """The thread must be alive: who asks for the clock of one that has ended reads memory that may be gone, which ends the process."""
        assert thread.is_alive(), "its clock is gone"
        known = getattr(time, "pthread_getcpuclockid", None)
        self.clock: int | None = known and known(thread.ident)
        self._last = 0.0

    def read(self) -> float:
        """The seconds; of a thread that has ended, as they were when they were last read. Raises AttributeError where the system knows no such clocks."""
        if self.clock is None:
            raise AttributeError("pthread_getcpuclockid")
        with suppress(OSError):
            self._last = time.clock_gettime(self.clock)
        return self._last


class StateCheckpoints:
    """The carries of one session. The denoiser's thread copies, a thread of its own writes behind it."""

    def __init__(
        self,
        run: "Run",
        cost: CheckpointCost,
        has_room_for: Callable[[int], bool],
        watchdog: "Watchdog",
    ) -> None:
        self._run, self._size, self._on_card = run, cost.size, cost.on_card
        self._has_room_for, self._watchdog = has_room_for, watchdog
        self._changed = threading.Condition()
        self._held: int | None = None
        """The clip that the copy in memory stands before."""
        self._thread: threading.Thread | None = None
        self._abandoned = False
        self._clip_seconds = self._copy_seconds = 0.0
        self._denoiser = self._main = ThreadClock(threading.main_thread())
        self._every = CARRY_FIRST

    @property
    def interval(self) -> int:
        """Clips between two carries; 0: there are none."""
        asked = self._run.settings.carry_every
        return self._every if asked < 0 else asked

    def is_due(self, following: int, last: int) -> bool:
        """True if a carry is to stand before this clip, `last` being the last one that is wanted."""
        spec, every = self._run.spec, self.interval
        if every == 0 or spec.motion_latents or following >= spec.clips:
            return False
        return following % every == 0 or self._is_anchor(following) or following > last

    def note_clip(self, seconds: float) -> None:
        """A clip has been denoised in so many seconds; those against which a carry is weighed."""
        before, self._denoiser = self._clip_seconds, ThreadClock(threading.current_thread())
        self._clip_seconds = seconds if not before else 0.75 * before + 0.25 * seconds

    def copy(
        self, denoiser: "Denoiser", *, wait: "Callable[[], bool] | None" = None
    ) -> "Pieces | None":
        """All that the next clip takes from the denoiser, copied in its pause; None while another copy is in memory.

        `wait`: not None but the copy, as soon as the other is gone; unless it says that nobody wants it any more.
        """
        following = denoiser.next_clip
        with self._changed:
            while wait is not None and self._held is not None and not wait():
                self._changed.wait(0.1)
            if (reason := self._why_not_now()) is not None:
                emit_event("carry_skipped", next_clip=following, reason=reason)
                return None
            self._held = following
        begun = time.monotonic()
        pieces: Pieces = list(denoiser.carry())
        self._copy_seconds = time.monotonic() - begun
        return pieces

    def write(self, following: int, pieces: "Pieces") -> None:
        """Write the copy behind the denoiser. Only when the clip before is published: else a crash would leave a carry that leads nowhere."""
        self.wait_until_written()
        self._thread = threading.Thread(
            target=self._write_copy, args=(following, pieces), name="carry", daemon=True
        )
        self._thread.start()

    def write_through(self, denoiser: "Denoiser") -> None:
        """Write it straight from the denoiser, which waits: where the host has no memory for a copy."""
        self.wait_until_written()
        self._publish(denoiser.next_clip, denoiser.carry(), waits=True)

    @property
    def fits_memory(self) -> bool:
        """True if the host has memory for a copy, and as much again for all else."""
        free = host_bytes_free()
        return free is None or 2 * self._size <= free

    def drop_copy(self) -> None:
        """The copy in memory belongs to a clip that nobody will publish."""
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                self._held = None
            self._changed.notify_all()

    def wait_until_written(self) -> None:
        """Wait for the one that is being written."""
        if self._thread is not None:
            self._thread.join()

    def close(self, *, hurried: bool) -> None:
        """End: the one that is being written is finished, or (hurried) given up after a moment."""
        if hurried and self._thread is not None:
            self._thread.join(GRACE_SECONDS)
            self._abandoned = True
        self.wait_until_written()

    def _why_not_now(self) -> str | None:
        if self._held is not None:
            return f"the one before clip {self._held} is not written yet"
        # The older of two goes first and leaves its place.
        more = self._size if len(self._run.carry.complete) < 2 else 0
        return None if self._has_room_for(more) else "there is no room on the disk"

    def _is_anchor(self, clip: int) -> bool:
        anchors = self._run.settings.anchor_clips
        return anchors > 0 and clip % anchors == 0

    def _write_copy(self, following: int, pieces: "Pieces") -> None:
        try:
            self._publish(following, self._drain_pieces(pieces))
        finally:
            with self._changed:
                self._held = None
                self._changed.notify_all()

    def _publish(
        self, following: int, pieces: "Iterable[tuple[str, NDArray[Any]]]", *, waits: bool = False
    ) -> None:
        if following in self._run.carry.complete:
            return
        begun, worked = time.monotonic(), self._writing_seconds()
        try:
            with self._watchdog.watch("carry", following):
                self._run.carry.publish(following, self._until_abandoned(pieces))
        except Exception as fault:  # noqa: BLE001 - a by-product: without it a resume replays more, and no more
            emit_event("carry_failed", next_clip=following, error=describe_fault(fault))
            return
        seconds = time.monotonic() - begun
        worked = min(seconds, max(0.0, self._writing_seconds() - worked))
        cost = seconds if waits else self._copy_seconds + worked * (not self._on_card)
        facts = {"seconds": seconds, "cost": cost}
        emit_event(
            "carry_published",
            next_clip=following,
            **{name: round(each, 4) for name, each in facts.items()},
        )
        self._adjust_interval(seconds, cost)

    def _writing_seconds(self) -> float:
        """Processor seconds of this process, but for the denoiser's and Luigi's threads: what writing takes from them where all share the processor."""
        try:
            others = {each.clock: each for each in (self._denoiser, self._main)}
            return time.process_time() - sum(each.read() for each in others.values())
        except AttributeError:  # macOS has no such clocks: all the time counts
            return time.monotonic()

    def _adjust_interval(self, seconds: float, cost: float) -> None:
        if self._run.settings.carry_every >= 0 or not self._clip_seconds:
            return
        every = choose_interval(seconds, cost, self._clip_seconds)
        if every != self._every:
            self._every = every
            facts = {"clip_seconds": self._clip_seconds, "write_seconds": seconds, "cost": cost}
            emit_event(
                "carry_every_chosen",
                every=every,
                **{name: round(each, 4) for name, each in facts.items()},
            )

    def _until_abandoned(
        self, pieces: "Iterable[tuple[str, NDArray[Any]]]"
    ) -> "Iterator[tuple[str, NDArray[Any]]]":
        for name, piece in pieces:
            if self._abandoned:
                raise InterruptedError("a signal came first")
            self._watchdog.pulse()
            yield name, piece

    @staticmethod
    def _drain_pieces(pieces: "Pieces") -> "Iterator[tuple[str, NDArray[Any]]]":
        """The pieces in order; each is let go when the next is asked for."""
        pieces.reverse()
        while pieces:
            yield pieces.pop()
