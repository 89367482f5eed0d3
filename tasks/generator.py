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

from storage.errors import Damaged, LongtakeError, NotFinite, NotMade, NotReproduced, ReplayFailed
from storage.takes import until
from tasks.carries import Carries
from tasks.events import emit
from tasks.past import motion_before
from tasks.stopping import Stop
from tasks.watchdog import Watchdog

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.avatar import Denoised, Denoiser, Float
    from storage.run import Run


@dataclass(frozen=True)
class Made:
    """One clip out of the denoiser, not yet published."""

    clip: int
    denoised: "Denoised"
    carry: "list[tuple[str, NDArray[Any]]] | None"
    """All that the next clip takes from here, copied; None where it is not due."""
    seconds: float


@dataclass(frozen=True)
class Source:
    """What clips are made with."""

    denoiser: "Callable[[int], Denoiser]"
    """A fresh one, with the seeds that lead to a clip."""
    features: "Callable[[int], Float]"
    carries: Carries


@dataclass
class Reach:
    """How far the denoiser may go."""

    bound: int
    """Clips beyond the wanted one."""
    last: int
    """The last clip that anyone will want."""


class Generator:
    """Clips of one run, in order, made ahead of the one who takes them. `take` and `release` belong to one thread."""

    def __init__(
        self, run: "Run", source: Source, reach: Reach, stop: Stop, watchdog: Watchdog
    ) -> None:
        self._run, self._source, self._reach = run, source, reach
        self._stop, self._watchdog = stop, watchdog
        self._changed = threading.Condition()
        self._made: dict[int, Made] = {}
        self._wanted = self._position = self._towards = 0
        self._fault: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._quit = self._busy = False

    def take(self, clip: int) -> Made:
        """The clip, made by now or soon; raises what went wrong while making it. The same again until it is released."""
        self._reach_for(clip)
        with self._changed:
            while clip not in self._made:
                self._raise_fault()
                self._changed.wait(0.1)
                self._stop.heed()
                if self._busy:  # it is watched by itself
                    self._watchdog.pulse()
            return self._made[clip]

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

    def restrain(self) -> None:
        """Make nothing ahead from now on, and wait for the clip that is being made; those that are made stay."""
        with self._changed:
            self._reach.bound = 0
            while self._busy and self._thread is not None and self._thread.is_alive():
                self._watchdog.pulse()
                self._changed.wait(0.1)

    def end(self) -> list[Made]:
        """End the thread after the clip it is at; what is made and not published, in order, and then forgotten."""
        with self._changed:
            self._quit = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._thread, self._quit, self._fault = None, False, None
        left = [self._made[clip] for clip in sorted(self._made)]
        self._made.clear()
        self._source.carries.forget()
        return left

    def _raise_fault(self) -> None:
        if self._fault is not None:
            fault, self._fault, self._thread = self._fault, None, None
            raise fault

    def _reach_for(self, clip: int) -> None:
        with self._changed:
            self._wanted = clip
            self._changed.notify_all()
            # A fault of the one who ran ahead is raised where its clip is taken; the try after it begins anew.
            on_the_way = self._thread is not None and self._is_on_the_way(clip)
            if clip in self._made or on_the_way:
                return
        self.end()
        # A daemon, so that a crash elsewhere is not held up by a clip that nobody will take.
        self._thread = threading.Thread(
            target=self._work, args=(clip,), name="denoiser", daemon=True
        )
        self._thread.start()

    def _is_on_the_way(self, clip: int) -> bool:
        if not self._stands_before(clip):
            return False
        newest = self._run.carry_before(clip) if self._position < clip else 0
        return (newest or 0) <= self._position <= clip

    def _stands_before(self, clip: int) -> bool:
        """True if what the denoiser has made by now leads to this clip, also where takes of other seeds lie between."""
        spec, made = self._run.spec, self._position - 1
        came = until(spec.history(max(made, self._towards)), self._position)
        return until(spec.history(clip), self._position) == came

    def _work(self, wanted: int) -> None:
        try:
            self._position = self._towards = wanted
            self._busy = True
            with self._watchdog.watch("load"):
                denoiser = self._stand_before(wanted)
            self._busy = False
            while self._may_go_on(denoiser.next_clip):
                self._make(denoiser)
        except BaseException as fault:  # noqa: BLE001 - handed over, and raised where the clip is taken
            with self._changed:
                self._busy = False
                self._fault = fault
                self._changed.notify_all()

    def _stand_before(self, wanted: int) -> "Denoiser":
        """A denoiser at the newest whole carry that stands before the wanted clip or one below it."""
        store = self._run.carry
        self._source.carries.settle()
        if self._run.spec.motion_latents:
            self._position = wanted
            denoiser = self._source.denoiser(wanted)
            denoiser.restore(wanted, self._motion_before(wanted))
            return denoiser
        while (clip := self._run.carry_before(wanted)) is not None:
            denoiser = self._source.denoiser(wanted)
            try:
                denoiser.restore(clip, store.load(clip))
            except (Damaged, NotMade):
                emit("damage_found", stage="carry", clip=clip)
                store.discard(clip)
            else:
                break
        else:
            clip, denoiser = 0, self._source.denoiser(wanted)
        self._position = clip
        if clip < wanted:
            emit("replay_planned", first=clip, stop=wanted)
        return denoiser

    def _motion_before(self, clip: int) -> "list[tuple[str, NDArray[Any]]]":
        """What a clip takes from the decoded one before it, where that is all that it takes."""
        return [("motion", motion_before(self._run, clip))] if clip else []

    def _may_go_on(self, clip: int) -> bool:
        """Wait until the clip may be made; False if it never will be."""
        with self._changed:
            self._position = clip
            ends = clip > self._reach.last or (
                clip > self._towards and not self._stands_before(clip)
            )
            while not self._quit and not ends and not self._is_due(clip):
                self._changed.wait(0.5)
            return not self._quit and not ends

    def _is_due(self, clip: int) -> bool:
        if clip <= self._wanted:
            return clip not in self._made
        if clip > self._wanted + self._reach.bound or self._run.latents.complete(clip):
            return False
        return self._run.audio.complete(clip)

    def _make(self, denoiser: "Denoiser") -> None:
        clip = denoiser.next_clip
        features = self._source.features(clip)
        if self._run.spec.motion_latents:
            denoiser.restore(clip, self._motion_before(clip))
        shown = self._run.spec.lies_on_the_way(clip, self._towards)
        published = shown and self._run.latents.complete(clip)
        begun = time.monotonic()
        denoised = self._denoise(denoiser, features, replaying=published or not shown)
        seconds = time.monotonic() - begun
        check_finite(clip, denoised)
        self._source.carries.note_clip(seconds)
        if published or not shown:
            if published:
                self._compare(clip, denoised)
            emit("clip_replayed", clip=clip, seconds=round(seconds, 4))
            return
        emit("clip_denoised", clip=clip, seconds=round(seconds, 4))
        made = Made(clip, denoised, self._carry_of(denoiser), seconds)
        with self._changed:
            self._made[clip] = made
            self._changed.notify_all()

    def _denoise(self, denoiser: "Denoiser", features: "Float", *, replaying: bool) -> "Denoised":
        clip = denoiser.next_clip
        self._busy = True
        try:
            with self._watchdog.watch("replay" if replaying else "denoise", clip):
                return denoiser.denoise(features)
        except Exception as fault:
            if not replaying or isinstance(fault, LongtakeError):
                raise
            # It is raised where another clip is taken, which is not to be blamed.
            raise ReplayFailed(clip, self._wanted, f"{type(fault).__name__}: {fault}") from fault
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _compare(self, clip: int, denoised: "Denoised") -> None:
        if denoised.latents.tobytes() != self._run.latents.read(clip).tobytes():
            raise NotReproduced(clip, self._run.root)

    def _carry_of(self, denoiser: "Denoiser") -> "list[tuple[str, NDArray[Any]]] | None":
        following, carries = denoiser.next_clip, self._source.carries
        # Before a join stands the older take's.
        if not carries.is_due(following, self._reach.last) or following in self._run.spec.joins:
            return None
        # With fewer clips between, it could be deleted before the one that it stands before is published.
        if not carries.fits_memory and carries.every > self._reach.bound:
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
