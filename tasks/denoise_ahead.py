"""The denoiser, one thread that runs ahead of the disk.

It makes clips in order, at most `bound` beyond the one that is wanted, and hands them over; Luigi's thread publishes
them. Rings cannot be rebuilt from latents, so a clip is reached from the newest carry by denoising those between again,
and each of these must equal what is published, bit for bit.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage.errors import LongtakeError, NotFinite, NotReproduced, ReplayFailed
from tasks.clip_context import read_motion_before
from tasks.events import emit_event
from tasks.route import Route, Seeds, find_route, leads_to, restore_denoiser
from tasks.signals import StopFlag
from tasks.state_checkpoints import StateCheckpoints
from tasks.watchdog import Watchdog

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.avatar import Denoised, Denoiser, Float
    from storage.run import Run


@dataclass(frozen=True)
class DenoisedClip:
    """One clip out of the denoiser, not yet published."""

    clip: int
    denoised: "Denoised"
    carry: "list[tuple[str, NDArray[Any]]] | None"
    """All that the next clip takes from here, copied; None where it is not due."""
    seconds: float


@dataclass(frozen=True)
class DenoiseSources:
    """What clips are made with."""

    denoiser: "Callable[[Seeds], Denoiser]"
    """A fresh one, which asks for the seed of each clip."""
    features: "Callable[[int], Float]"
    carries: StateCheckpoints


@dataclass
class Lookahead:
    """How far the denoiser may go."""

    bound: int
    """Clips beyond the wanted one."""
    last: int
    """The last clip that anyone will want."""


class DenoiseAhead:
    """Clips of one run, in order, made ahead of the one who takes them. `take` and `release` belong to one thread."""

    def __init__(
        self,
        run: "Run",
        source: DenoiseSources,
        reach: Lookahead,
        stop: StopFlag,
        watchdog: Watchdog,
    ) -> None:
        self._run, self._source, self._reach = run, source, reach
        self._stop, self._watchdog = stop, watchdog
        self._changed = threading.Condition()
        self._made: dict[int, DenoisedClip] = {}
        self._wanted = self._position = 0
        self._route = Route(run.spec, 0, 0)
        self._fault: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._quit = self._busy = self._restoring = False

    def take(self, clip: int) -> DenoisedClip:
        """The clip, made by now or soon; raises what went wrong while making it. The same again until it is released."""
        self._request_clip(clip, clip)
        self._wait_until(lambda: clip in self._made)
        return self._made[clip]

    def replay_until(self, clip: int) -> None:
        """Come to stand before a clip: those since the newest carry are made again. Raises NotReproduced where one has other bits than are published."""
        self._request_clip(clip, clip - 1)
        self._wait_until(lambda: self._position >= clip and not self._restoring)

    def _wait_until(self, reached: Callable[[], bool]) -> None:
        with self._changed:
            while not reached():
                self._raise_fault()
                self._require_life()
                self._changed.wait(0.1)
                self._stop.raise_if_stopped()
                if self._busy:
                    self._watchdog.wait_for_other()

    def release(self, clip: int) -> None:
        """The clip is published: its memory goes, and the denoiser may go on."""
        with self._changed:
            for done in [made for made in self._made if made <= clip]:
                del self._made[done]
            self._changed.notify_all()

    def wake(self) -> None:
        """Look again: the features of another clip may be there."""
        with self._changed:
            self._changed.notify_all()

    def stop_looking_ahead(self) -> None:
        """Make nothing ahead from now on, and wait for the clip that is being made; those that are made stay."""
        with self._changed:
            self._reach.bound = 0
            while self._busy and self._thread is not None and self._thread.is_alive():
                self._watchdog.wait_for_other()
                self._changed.wait(0.1)

    def end(self) -> list[DenoisedClip]:
        """End the thread after the clip it is at; what is made and not published, in order, and then forgotten."""
        with self._changed:
            self._quit = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._thread, self._quit, self._fault = None, False, None
        left = [self._made[clip] for clip in sorted(self._made)]
        self._made.clear()
        self._source.carries.drop_copy()
        return left

    def _raise_fault(self) -> None:
        if self._fault is not None:
            fault, self._fault, self._thread = self._fault, None, None
            raise fault

    def _require_life(self) -> None:
        """Raise where the thread is gone and has left no word: without memory it cannot even hand over its fault."""
        if self._thread is None or not self._thread.is_alive():
            self._thread, self._busy = None, False
            raise MemoryError("the denoiser's thread ended without a word")

    def _request_clip(self, clip: int, wanted: int) -> None:
        """Let the denoiser be on its way to a clip; all up to `wanted` are due at once."""
        with self._changed:
            # A fault of the one who ran ahead is raised where its clip is taken; the try after it begins anew.
            if clip in self._made or (self._thread is not None and self._goes_on_to(clip)):
                self._wanted = wanted
                self._changed.notify_all()
                return
        self.end()
        self._wanted, self._position, self._restoring = wanted, clip, True
        self._route = Route(self._run.spec, clip, clip)
        # A daemon, so that a crash elsewhere is not held up by a clip that nobody will take.
        thread = threading.Thread(
            target=self._run_thread, args=(clip,), name="denoiser", daemon=True
        )
        thread.start()
        self._thread = thread  # not before: one that did not start would be waited for

    def _goes_on_to(self, clip: int) -> bool:
        """True if the clip is reached from where the denoiser stands: its route is then the one to this clip."""
        at = self._position
        carries = self._run.carry.complete if at < clip else ()
        route = find_route(self._run.spec, clip, carries, self._route.stand_before(at))
        # What is being made keeps the seed that it was begun with.
        if route.goes_on and not (self._busy and route.seed_at(at) != self._route.seed_at(at)):
            self._route = route
            return True
        return False

    def _run_thread(self, wanted: int) -> None:
        try:
            self._busy = True
            with self._watchdog.watch("load"):
                denoiser = self._position_denoiser(wanted)
            while self._wait_until_due(denoiser.next_clip):
                self._make_next(denoiser)
        except BaseException as fault:  # noqa: BLE001 - handed over, and raised where the clip is taken
            with self._changed:
                self._busy = False
                self._fault = fault
                self._changed.notify_all()

    def _position_denoiser(self, wanted: int) -> "Denoiser":
        """A denoiser at the newest whole carry that stands before the wanted clip or one below it."""
        self._source.carries.wait_until_written()
        route = find_route(self._run.spec, wanted, self._run.carry.complete)
        denoiser, self._route = restore_denoiser(self._run, route, self._fresh, self._drop_carry)
        if self._route.replay:
            emit_event("replay_planned", first=self._route.start, stop=wanted)
        return denoiser

    def _fresh(self, _: Seeds) -> "Denoiser":
        return self._source.denoiser(self._seed_at)

    def _seed_at(self, clip: int) -> int:
        # Of the route that it is on by then: that changes where a clip farther on is taken.
        return self._route.seed_at(clip)

    def _drop_carry(self, clip: int) -> None:
        emit_event("damage_found", stage="carry", clip=clip)
        self._run.carry.discard(clip)

    def _wait_until_due(self, clip: int) -> bool:
        """Wait until the clip may be made; False if it never will be."""
        with self._changed:
            self._position, self._busy, self._restoring = clip, False, False
            self._changed.notify_all()
            ends = clip > self._reach.last
            while not self._quit and not ends and not self._is_due(clip):
                self._changed.wait(0.5)
            self._busy = not self._quit and not ends
            return self._busy

    def _is_due(self, clip: int) -> bool:
        if clip <= self._wanted:
            return clip not in self._made
        if clip > self._wanted + self._reach.bound or self._run.latents.complete(clip):
            return False
        # Where an older take goes on, nothing runs ahead.
        follows = leads_to(self._run.spec, self._route.stand_before(clip), clip)
        return follows and self._run.audio.complete(clip)

    def _make_next(self, denoiser: "Denoiser") -> None:
        clip = denoiser.next_clip
        features = self._source.features(clip)
        if self._run.spec.motion_latents and clip:
            denoiser.restore(clip, [("motion", read_motion_before(self._run, clip))])
        shown = self._route.shows(clip)
        published = shown and self._run.latents.complete(clip)
        begun = time.monotonic()
        denoised = self._denoise(denoiser, features, replaying=published or not shown)
        seconds = time.monotonic() - begun
        check_finite(clip, denoised)
        self._source.carries.note_clip(seconds)
        if published or not shown:
            if published:
                self._require_reproduced(clip, denoised)
            emit_event("clip_replayed", clip=clip, seconds=round(seconds, 4))
            return
        emit_event("clip_denoised", clip=clip, seconds=round(seconds, 4))
        made = DenoisedClip(clip, denoised, self._copy_state(denoiser), seconds)
        with self._changed:
            self._made[clip] = made
            self._changed.notify_all()

    def _denoise(self, denoiser: "Denoiser", features: "Float", *, replaying: bool) -> "Denoised":
        clip = denoiser.next_clip
        try:
            with self._watchdog.watch("replay" if replaying else "denoise", clip):
                return denoiser.denoise(features)
        except Exception as fault:
            if not replaying or isinstance(fault, LongtakeError):
                raise
            # It is raised where another clip is taken, which is not to be blamed.
            raise ReplayFailed(
                clip, self._route.clip, f"{type(fault).__name__}: {fault}"
            ) from fault

    def _require_reproduced(self, clip: int, denoised: "Denoised") -> None:
        if denoised.latents.tobytes() != self._run.latents.read(clip).tobytes():
            raise NotReproduced(clip, self._run.root)

    def _copy_state(self, denoiser: "Denoiser") -> "list[tuple[str, NDArray[Any]]] | None":
        following, carries = denoiser.next_clip, self._source.carries
        # Before a join stands the older take's.
        if not carries.is_due(following, self._reach.last) or following in self._run.spec.joins:
            return None
        # With fewer clips between, it could be deleted before the one that it stands before is published.
        if not carries.fits_memory and carries.interval > self._reach.bound:
            carries.write_through(denoiser)
            return None
        # Where a part ends there is none later.
        ends = following > self._reach.last
        return carries.copy(denoiser, wait=(lambda: self._quit) if ends else None)


def check_finite(clip: int, denoised: "Denoised") -> None:
    """Let no NaN and no infinity leave the denoiser: it would be in every clip that follows. Raises NotFinite, which names the step."""
    import numpy as np

    for step, latents in enumerate((*denoised.steps, denoised.latents)):
        if not np.isfinite(latents).all():
            count = latents.size - int(np.isfinite(latents).sum())
            last = len(denoised.steps)
            raise NotFinite(clip, count, latents.size, f"step {min(step + 1, last)} of {last}")
