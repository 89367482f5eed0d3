"""The film, watched while it is made: each published clip goes into RUN/live. A by-product: whatever happens to it is told once and costs no clip.

It is asked again after every clip and looks for itself what is there (`extend`): so it does not matter in which order clips came, what a crash left, or
whether the sound is behind.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from storage.digest import hash_file
from storage.dubbing import encode_film_sound
from storage.fragment import ClipTimes, write_fragment
from storage.live_film import (
    LiveFolder,
    find_live_clip,
    find_live_clips,
    measure_longest_clip,
)
from storage.live_sound import EncodedSound, LiveSound, SpooledSound
from storage.names import LIVE
from storage.refusals import describe_fault
from storage.run_marks import live_marks_of
from storage.soundtrack import AAC_BIT_RATE
from tasks.events import emit_event

if TYPE_CHECKING:
    from storage.run import Run

CATCH_UP = 8
"""Clips that are added after one that was published, at most: a retake shares thousands, and the film does not wait for them."""
WAIT = 0.1
"""Seconds between two looks at a signal while the soundtrack is waited for."""


class Abandoned(Exception):  # noqa: N818 - it says what happened to the encoding
    """The session ends, and with it the encoding of the soundtrack."""


class SoundtrackThread:
    """Encodes the soundtrack beside the film and hands each packet on; ends early where it is told to."""

    def __init__(self, run: "Run", sound: SpooledSound) -> None:
        self._run, self._sound = run, sound
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="soundtrack", daemon=True)
        self._thread.start()

    @property
    def packets(self) -> int:
        """How many it has handed on."""
        return self._sound.packets

    def wait(self, seconds: float) -> bool:
        """Wait for its end, so long at most; True if it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def end(self) -> None:
        """Let it end now; nothing is left of a soundtrack that is not whole."""
        self._ending.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            self._encode()
        except Abandoned:
            return
        except Exception as fault:  # noqa: BLE001 - the film encodes it at its end
            emit_event("by_product_failed", stage=LIVE, clip=None, error=describe_fault(fault))

    def _encode(self) -> None:
        run, path = self._run, self._run.soundtrack_path
        run.check_inputs()
        samples = encode_film_sound(run.film_sound(), path, self._pulse, self._sound.add_packet)
        run.records.commit("soundtrack", sha256=hash_file(path), bytes=path.stat().st_size)
        self._sound.end_at(samples)

    def _pulse(self) -> None:
        if self._ending.is_set():
            raise Abandoned


class LiveFilm:
    """The live film of a session; of one that makes no whole film, or was not asked for one, nothing at all."""

    def __init__(self, run: "Run", *, wanted: bool) -> None:
        self._run, self._wanted = run, wanted
        self._folder: LiveFolder | None = None
        self._sound: LiveSound | None = None
        self._encoder: SoundtrackThread | None = None

    def start(self, has_room: Callable[[int], bool]) -> None:
        """Set right what a crash left, and have the sound encoded where `has_room` says that there is room for its bytes."""
        if self._wanted:
            with self._guarded():
                self._start(has_room)

    def extend(self) -> None:
        """Add the next clips whose picture and sound are there, a few at a time."""
        with self._guarded():
            for _ in range(CATCH_UP):
                if not self._add_next():
                    return

    def wait_for_sound(self, pulse: Callable[[], None], heed: Callable[[], None]) -> None:
        """Wait until the soundtrack is encoded, if that goes on. `pulse` is called where it moves on, else `heed`; both may raise."""
        before = 0
        while self._encoder is not None and not self._encoder.wait(WAIT):
            # What hangs must not look alive to the watchdog.
            (pulse if self._encoder.packets > before else heed)()
            before = self._encoder.packets

    def finish(self, pulse: Callable[[], None]) -> None:
        """Add all that is missing of a film that is whole, and close the playlist. `pulse` is called between two clips, and may raise."""
        with self._guarded():
            while self._add_next():
                pulse()
            folder, clips = self._folder, self._run.spec.clips
            if (
                folder is not None
                and folder.clips == clips
                and folder.finish(find_live_clips(self._run))
            ):
                emit_event("live_finished", path=str(folder.playlist), clips=clips)

    def restore(self, pulse: Callable[[], None]) -> None:
        """Make what is missing of a live film, as far as picture and sound are there. `pulse` is called between two clips, and may raise."""
        self.start(lambda _: False)
        self.finish(pulse)
        self.close()

    def close(self) -> None:
        """End the encoding, close what is open."""
        if self._encoder is not None:
            self._encoder.end()
        if self._sound is not None:
            self._sound.close()
        self._folder = self._sound = self._encoder = None

    def _start(self, has_room: Callable[[int], bool]) -> None:
        run = self._run
        spec = run.spec
        folder = LiveFolder(run.root, measure_longest_clip(spec), growing=run.settings.grow)
        folder.restore(find_live_clips(run), spec.clips)
        self._folder = folder
        emit_event("live_started", path=str(folder.playlist), clips=folder.clips)
        # Twice: the packets wait in a file of their own.
        bytes_needed = 2 * 2 * AAC_BIT_RATE // 8 * (spec.frames // spec.fps + 1)
        if not run.records.complete("soundtrack") and has_room(bytes_needed):
            self._sound = sound = SpooledSound(folder.playlist.parent)
            self._encoder = SoundtrackThread(run, sound)

    def _add_next(self) -> bool:
        """Add the next clip; False where it is not there yet, or there is none."""
        folder, run = self._folder, self._run
        if folder is None or folder.clips == run.spec.clips:
            return False
        entry = find_live_clip(run, folder.clips)
        last = folder.clips == run.spec.clips - 1
        if entry is None or (sound := self._find_sound(entry.times, last=last)) is None:
            return False
        begun, clip = time.monotonic(), entry.times.clip
        heard = sound.read_clip(entry.times, last=last)
        segment = run.verified_path("segment", clip)
        folder.add_clip(entry, write_fragment(segment, entry.times, heard, live_marks_of(run)))
        emit_event("live_extended", clip=clip, seconds=round(time.monotonic() - begun, 4))
        return True

    def _find_sound(self, times: ClipTimes, *, last: bool) -> LiveSound | None:
        """The sound of a clip; None where it is not there yet."""
        if self._sound is not None and self._sound.is_ready(times, last=last):
            return self._sound
        if not self._run.records.complete("soundtrack"):
            return None
        # The encoder has ended without it, or was never begun, and the film has encoded it.
        if self._sound is not None:
            self._sound.close()
        self._sound = EncodedSound(self._run.verified_path("soundtrack"))
        return self._sound

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Tell a fault, and give the live film up until the run is opened again."""
        try:
            yield
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is not the film's
            clip = None if self._folder is None else self._folder.clips
            self._folder = None
            emit_event("by_product_failed", stage=LIVE, clip=clip, error=describe_fault(fault))
