"""The denoiser, one thread that runs ahead of the disk.

It makes clips in order, at most `bound` beyond the one that is wanted, and hands them over; Luigi's thread publishes
them. The KV cache cannot be rebuilt from latents, so a clip is reached from the newest state checkpoint (carry) by
denoising those between again, and each of these that the film shows must equal what is published, bit for bit.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from model.sharding.protocols import PipelinedDenoiser
from storage.errors import LongtakeError, NotFinite, NotReproduced, ReplayFailed
from storage.remote.address import name_run
from tasks.clip_context import features_are_there, read_motion_before
from tasks.events import emit_event
from tasks.route import Route, Seeds, describe_start, find_route, leads_to, restore_denoiser
from tasks.signals import StopFlag
from tasks.soft_join import soften_join
from tasks.state_checkpoints import StateCheckpoints
from tasks.watchdog import Watchdog

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.avatar import Denoised, Denoiser, Float
    from storage.run import Run


class Purpose(Enum):
    """What a clip is denoised for."""

    SHOW = "the film has none yet"
    COMPARE = "on the way to another; it must equal what is published"
    FORGET = "on the way to another, in an older take that the film does not show"


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
    features: "Callable[[int, int], Float]"
    """Of a clip, and of one of the film's sounds."""
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
        self._wanted = self._position = self._begun = 0
        self._route = Route(run.spec, 0, 0)
        self._faults: list[BaseException] = []
        self._thread: threading.Thread | None = None
        self._quit = self._busy = self._restoring = False

    def take(self, clip: int) -> DenoisedClip:
        """The clip, made by now or soon; raises what went wrong while making it. The same again until it is released."""
        self._request_clip(clip, clip)
        with self._changed:
            while clip not in self._made:
                self._check_thread()
                self._changed.wait(0.1)
            return self._made[clip]

    def replay_until(self, clip: int) -> None:
        """Come to stand before a clip: those since the newest carry are made again. Raises NotReproduced where one has other bits than are published."""
        self._request_clip(clip, clip - 1)
        with self._changed:
            while self._restoring or self._position < clip:
                self._check_thread()
                self._changed.wait(0.1)

    def _check_thread(self) -> None:
        """Raise the thread's fault, or that it ended without one, or Stopped; tell the watchdog that it is waited for."""
        if self._faults:
            self._thread = None
            raise self._faults.pop()  # no name of it is left here: its frames hold a clip's memory
        if self._thread is None or not self._thread.is_alive():
            self._thread, self._busy = None, False
            # Without memory it cannot even hand over its fault.
            raise MemoryError("the denoiser's thread ended without a word")
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
        self._thread, self._quit = None, False
        self._faults.clear()
        left = [self._made[clip] for clip in sorted(self._made)]
        self._made.clear()
        self._source.carries.drop_copy()
        return left

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
        self._begun = 0
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
        # What is being made keeps the seed and the sound that it was begun with.
        made = range(at, max(at + self._busy, self._begun))
        told, held = (
            [(way.seed_at(n), way.sound_at(n)) for n in made] for way in (route, self._route)
        )
        if route.goes_on and told == held:
            self._route = route
            return True
        return False

    def _run_thread(self, wanted: int) -> None:
        """Make clip after clip, from where the wanted one can be reached; what goes wrong is raised where a clip is taken."""
        try:
            self._busy = True
            with self._watchdog.watch("load"):
                denoiser = self._position_denoiser(wanted)
            while self._wait_until_due(clip := denoiser.next_clip):
                features, purpose = self._enter_clip(denoiser)
                begun = time.monotonic()
                with self._blame_replay(clip, purpose):
                    self._begin_following(denoiser, features)
                    denoised = denoiser.denoise(features)
                if purpose is not Purpose.FORGET:
                    denoised = soften_join(self._run, clip, denoised)
                seconds = time.monotonic() - begun
                check_finite(clip, denoised)
                self._hand_over(denoiser, DenoisedClip(clip, denoised, None, seconds), purpose)
                del denoised  # the one who takes it lets it go
        except BaseException as fault:  # noqa: BLE001 - handed over, and raised where the clip is taken
            with self._changed:
                self._busy = False
                self._faults.append(fault)
                self._changed.notify_all()

    def _position_denoiser(self, wanted: int) -> "Denoiser":
        """A denoiser at the newest whole carry that stands before the wanted clip or one below it."""
        self._source.carries.wait_until_written()
        route = find_route(self._run.spec, wanted, self._run.carry.complete)
        denoiser, self._route = restore_denoiser(self._run, route, self._fresh, self._drop_carry)
        if self._route.replay:
            reason = describe_start(self._route, route)
            emit_event("replay_planned", first=self._route.start, stop=wanted, reason=reason)
        return denoiser

    def _begin_following(self, denoiser: "Denoiser", features: "Float") -> None:
        """Begin the next clip, and those behind it for which the denoiser's ranks would else wait for each other."""
        if not isinstance(denoiser, PipelinedDenoiser):
            return
        following = denoiser.next_clip + 1
        if self._begun < following:
            denoiser.begin_clip(features)
            self._begun = following
        ahead = denoiser.clips_ahead
        while self._begun < following + ahead and self._reserve_clip(self._begun, ahead):
            denoiser.begin_clip(self._hear(self._begun - 1))

    def _reserve_clip(self, clip: int, ahead: int) -> bool:
        """Note that a clip is begun, with its seed on this route; False if it is not due, or a carry is to stand before it, which the next clip must not have passed."""
        last = self._reach.last
        if clip > last or self._source.carries.is_due(clip, last):
            return False
        with self._changed:
            # Those that are begun behind the one that is denoised do not wait for the disk yet: of a film that waits for its decoder every clip would else be denoised alone.
            due = not self._quit and self._is_due(clip, ahead)
            due = due and features_are_there(self._run, clip)
            self._begun += due
            return due

    def _fresh(self, _: Seeds) -> "Denoiser":
        return self._source.denoiser(self._seed_at)

    def _seed_at(self, clip: int) -> int:
        # Of the route that it is on by then: that changes where a clip farther on is taken.
        return self._route.seed_at(clip)

    def _hear(self, clip: int) -> "Float":
        # On the way through an older take what was heard there, too.
        return self._source.features(clip, self._route.sound_at(clip))

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

    def _is_due(self, clip: int, further: int = 0) -> bool:
        if clip <= self._wanted:
            return clip not in self._made
        bound = self._reach.bound and self._reach.bound + further
        if clip > self._wanted + bound or self._run.latents.complete(clip):
            return False
        # Where an older take goes on, nothing runs ahead.
        follows = leads_to(self._run.spec, self._route.stand_before(clip), clip)
        return follows and features_are_there(self._run, clip)

    def _enter_clip(self, denoiser: "Denoiser") -> "tuple[Float, Purpose]":
        """What the next clip hears, and what for it is made; a clip-wise model is given the motion before it."""
        clip = denoiser.next_clip
        features = self._hear(clip)
        if self._run.spec.motion_latents and clip:
            denoiser.restore(clip, [("motion", read_motion_before(self._run, clip))])
        if not self._route.shows(clip):
            return features, Purpose.FORGET
        return features, Purpose.COMPARE if self._run.latents.complete(clip) else Purpose.SHOW

    @contextmanager
    def _blame_replay(self, clip: int, purpose: Purpose) -> Iterator[None]:
        """Watch the denoising of a clip; a fault of one that is made again is no fault of the clip that will be taken: raises ReplayFailed."""
        replaying = purpose is not Purpose.SHOW
        try:
            with self._watchdog.watch("replay" if replaying else "denoise", clip):
                yield
        except Exception as fault:
            if not replaying or isinstance(fault, LongtakeError):
                raise
            told = f"{type(fault).__name__}: {fault}"
            raise ReplayFailed(clip, self._route.clip, told) from fault

    def _hand_over(self, denoiser: "Denoiser", made: DenoisedClip, purpose: Purpose) -> None:
        """Give a new clip, and the state after it where that is due, to the one who takes it; one that was made again is compared, or forgotten."""
        self._source.carries.note_clip(made.seconds)
        if purpose is Purpose.COMPARE:
            self._require_reproduced(made.clip, made.denoised)
        seconds = round(made.seconds, 4)
        if purpose is Purpose.SHOW:
            emit_event("clip_denoised", clip=made.clip, seconds=seconds)
            made = replace(made, carry=self._copy_state(denoiser))
            with self._changed:
                self._made[made.clip] = made
                self._changed.notify_all()
        else:
            emit_event("clip_replayed", clip=made.clip, seconds=seconds)

    def _require_reproduced(self, clip: int, denoised: "Denoised") -> None:
        if denoised.latents.tobytes() != self._run.latents.read(clip).tobytes():
            raise NotReproduced(clip, name_run(self._run.root))

    def _copy_state(self, denoiser: "Denoiser") -> "list[tuple[str, NDArray[Any]]] | None":
        following, carries = denoiser.next_clip, self._source.carries
        # Before a join stands the older take's. It may be due only since the clip behind it was begun.
        due = carries.is_due(following, self._reach.last) and self._begun <= following
        if not due or following in self._run.spec.joins:
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
