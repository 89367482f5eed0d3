"""The denoiser, one thread that runs ahead of the disk; nothing else in this room has a thread.

It makes clips in order, at most `bound` beyond the one that is wanted, and hands them over; Luigi's thread publishes
them. Rings cannot be rebuilt from latents, so a clip is reached from the newest carry by denoising those between again,
and each of these must equal what is published, bit for bit.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from storage.errors import Damaged, NotMade, NotReproduced
from tasks.events import emit
from tasks.stopping import Stop

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
class Reach:
    """How far the denoiser may go."""

    bound: int
    """Clips beyond the wanted one."""
    last: int
    """The last clip that anyone will want."""


class Generator:
    """Clips of one run, in order, made ahead of the one who takes them. `take` and `release` belong to one thread."""

    def __init__(
        self,
        run: "Run",
        denoiser: "Callable[[], Denoiser]",
        features: "Callable[[int], Float]",
        reach: Reach,
        stop: Stop,
    ) -> None:
        self._run, self._denoiser, self._features = run, denoiser, features
        self._reach, self._stop = reach, stop
        self._changed = threading.Condition()
        self._made: dict[int, Made] = {}
        self._wanted = self._position = 0
        self._fault: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._quit = False

    def take(self, clip: int) -> Made:
        """The clip, made by now or soon; raises what went wrong while making it. The same again until it is released."""
        self._reach_for(clip)
        with self._changed:
            while clip not in self._made:
                self._raise_fault()
                self._changed.wait(0.1)
                self._stop.heed()
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

    def close(self) -> None:
        """End the thread after the clip it is at; what is not published is forgotten."""
        with self._changed:
            self._quit = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._thread, self._quit, self._fault = None, False, None
        self._made.clear()

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
        self.close()
        # A daemon, so that a crash elsewhere is not held up by a clip that nobody will take.
        self._thread = threading.Thread(
            target=self._work, args=(clip,), name="denoiser", daemon=True
        )
        self._thread.start()

    def _is_on_the_way(self, clip: int) -> bool:
        newest = self._run.carry.newest(clip) if self._position < clip else 0
        return (newest or 0) <= self._position <= clip

    def _work(self, wanted: int) -> None:
        try:
            self._position = wanted
            denoiser = self._stand_before(wanted)
            while self._may_go_on(denoiser.next_clip):
                self._make(denoiser)
        except BaseException as fault:  # noqa: BLE001 - handed over, and raised where the clip is taken
            with self._changed:
                self._fault = fault
                self._changed.notify_all()

    def _stand_before(self, wanted: int) -> "Denoiser":
        """A denoiser at the newest whole carry that stands before the wanted clip or one below it."""
        store = self._run.carry
        if self._run.spec.motion_latents:
            self._position = wanted
            denoiser = self._denoiser()
            denoiser.restore(wanted, self._motion_before(wanted))
            return denoiser
        while (clip := store.newest(wanted)) is not None:
            denoiser = self._denoiser()
            try:
                denoiser.restore(clip, store.load(clip))
            except (Damaged, NotMade):
                emit("damage_found", stage="carry", clip=clip)
                store.discard(clip)
            else:
                break
        else:
            clip, denoiser = 0, self._denoiser()
        self._position = clip
        if clip < wanted:
            emit("replay_planned", first=clip, stop=wanted)
        return denoiser

    def _motion_before(self, clip: int) -> "list[tuple[str, NDArray[Any]]]":
        """What a clip takes from the decoded one before it, where that is all that it takes."""
        return [("motion", self._run.motion.read(clip - 1))] if clip else []

    def _may_go_on(self, clip: int) -> bool:
        """Wait until the clip may be made; False if it never will be."""
        with self._changed:
            self._position = clip
            while not self._quit and clip <= self._reach.last and not self._is_due(clip):
                self._changed.wait(0.5)
            return not self._quit and clip <= self._reach.last

    def _is_due(self, clip: int) -> bool:
        if clip <= self._wanted:
            return clip not in self._made
        if clip > self._wanted + self._reach.bound or self._run.latents.complete(clip):
            return False
        return self._run.audio.complete(clip)

    def _make(self, denoiser: "Denoiser") -> None:
        clip = denoiser.next_clip
        features = self._features(clip)
        if self._run.spec.motion_latents:
            denoiser.restore(clip, self._motion_before(clip))
        begun = time.monotonic()
        denoised = denoiser.denoise(features)
        seconds = time.monotonic() - begun
        if self._run.latents.complete(clip):
            self._compare(clip, denoised)
            emit("clip_replayed", clip=clip, seconds=round(seconds, 4))
            return
        emit("clip_denoised", clip=clip, seconds=round(seconds, 4))
        made = Made(clip, denoised, self._carry_of(denoiser), seconds)
        with self._changed:
            self._made[clip] = made
            self._changed.notify_all()

    def _compare(self, clip: int, denoised: "Denoised") -> None:
        if denoised.latents.tobytes() != self._run.latents.read(clip).tobytes():
            raise NotReproduced(clip, self._run.root)

    def _carry_of(self, denoiser: "Denoiser") -> "list[tuple[str, NDArray[Any]]] | None":
        following = denoiser.next_clip
        spec, every = self._run.spec, self._run.settings.carry_every
        due = following % every == 0 or following > self._reach.last
        if not due or following >= spec.clips or spec.motion_latents:
            return None
        # Copied here, in a pause of the denoiser, and written behind it.
        return [(name, piece.copy()) for name, piece in denoiser.carry()]
