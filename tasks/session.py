"""What this process holds of the run that it works on: the lock, the model, the denoiser and the decoder.

A film has one session; a task that is asked for by itself opens one, which lives as long as the process.
"""

import atexit
import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from model import registry
from model.device.heap import release_memory
from storage.errors import LongtakeError, NotFinite, OtherNumerics
from storage.lock import is_held
from storage.pose_video import PoseReader
from storage.remote.address import name_run
from storage.run import Run
from tasks.cached_runs import cached_run, keep_run
from tasks.clip_output import publish_made
from tasks.damage import withdraw_damaged
from tasks.denoise_ahead import DenoiseAhead, DenoisedClip, DenoiseSources, Lookahead
from tasks.disk_space import DiskSpace
from tasks.events import emit_event, record_events
from tasks.film_part import FilmPart
from tasks.hearing import extract_features, hear_clip
from tasks.live_film import LiveFilm
from tasks.loaded_model import (
    describe_numerics_difference,
    device_config_of,
    load_avatar,
    model_options_of,
    model_traits_of,
    position_decoder,
    require_own_weights,
    unload_avatar,
)
from tasks.numerics_change import accept_numerics
from tasks.shared_decoding import SharedDecoding, open_shared_decoding
from tasks.signals import StopFlag
from tasks.state_checkpoints import CheckpointCost, StateCheckpoints
from tasks.store_run import hold_store_run
from tasks.watchdog import Watchdog

if TYPE_CHECKING:
    from model.avatar import Avatar, Byte, Decoder, Float, Poses

# By the absolute folder as text: tasks ask for these a hundred times a clip.
_sessions: dict[str, "Session"] = {}


class Session:
    """The work of one process on one run."""

    def __init__(self, run: Run, part: FilmPart, stop: StopFlag) -> None:
        self.run, self.part, self.stop = run, part, stop
        self.watchdog = Watchdog(run.settings.stall_limit)
        self.failure: LongtakeError | None = None
        self._decoder: Decoder | None = None
        self._agreed = False
        self.fresh = False
        """True in the first session of a run that this process has just made: nothing is there to be mended."""
        self.heap_hidden = False
        """True while the objects of libraries and of the model are out of the collector's sight."""
        self._closing = ExitStack()
        self._lap = time.monotonic()

    def open(self) -> None:
        """Take the lock, remove what a crash left."""
        # luigi_batches.release_luigi_memory puts objects out of Python's sight.
        self._closing.callback(gc.unfreeze)
        self._closing.enter_context(hold_store_run(self.run.root))
        before = self._closing.enter_context(self.run.lock())
        self._closing.enter_context(record_events(self.run.events_path))
        if before is not None:
            emit_event("lock_taken_over", before=before)
        folder = str(self.run.root)
        self._closing.callback(_sessions.pop, folder, None)
        _sessions[folder] = self
        keep_run(self.run)
        self.watchdog.open()
        self._closing.callback(self.watchdog.close)
        # Its numerics are this process's own, and there are no bits yet to compare.
        self.fresh = self._agreed = before is None and self.run.is_untouched
        if not self.fresh:
            self.run.sweep()

    def close(self) -> None:
        """Stop the denoiser after the clip it is at, keep what it has made, give the lock back."""
        with self._closing:
            self.live.close()
            if "denoise_ahead" in self.__dict__:
                left = self.denoise_ahead.end()
                if is_held(self.run.root):  # else it is another's to write
                    self._publish_leftovers(left)
                self.checkpoints.close(hurried=self.stop.signal is not None)

    def _publish_leftovers(self, left: list[DenoisedClip]) -> None:
        """Publish what was made ahead: a fault of the decoder, or a signal, costs no denoising."""
        for made in left:
            if made.clip and not self.run.latents.complete(made.clip - 1):
                return
            try:
                publish_made(self.run, made)
            except Exception as fault:  # noqa: BLE001 - what ends the film is told; this would be made again
                emit_event("by_product_failed", stage="latents", clip=made.clip, error=str(fault))
                return

    def pulse(self) -> None:
        """The work goes on: the watchdog hears of it, and a signal is heeded."""
        self.watchdog.pulse()
        self.stop.raise_if_stopped()

    @cached_property
    def avatar(self) -> "Avatar":
        """The model, which must have the numerics that the run was begun with; raises OtherNumerics, WeightsReplaced."""
        begun = self.run.fingerprint
        threads = self.part.threads or int(begun.get("threads", 1))
        # Nothing is written meanwhile, so a signal need not wait for the end of it.
        with self.watchdog.watch("load"), self.stop.interruptible():
            avatar = load_avatar(self.run.spec, self.run.settings, threads)
            numerics = avatar.numerics
            if begun.get("probe") != numerics.get("probe"):
                avatar.require_precision()
        if other := describe_numerics_difference(begun, numerics):
            require_own_weights(self.run)
            if not self.part.accept_joint:
                raise OtherNumerics(name_run(self.run.root), other)
            accept_numerics(self.run, numerics)
        return avatar

    def agree(self) -> None:
        """See that this machine gives the bits that are published, before it publishes any: the clips since the newest carry are made again, and compared.

        Once a session; where nothing is to be denoised there is nothing to compare. Numerics that an older version did not record are recorded then.
        Raises OtherNumerics, NotReproduced.
        """
        if self._agreed:
            return
        numerics, run, stop = self.avatar.numerics, self.run, self._last_clip + 1
        missing = next((clip for clip in range(stop) if not run.latents.complete(clip)), 0)
        if missing and not run.spec.motion_latents:
            self.denoise_ahead.replay_until(missing)
        run.record_numerics(numerics)
        self._agreed = True

    def accept_joint(self) -> None:
        """Load the model now: should its numerics be others, clips are withdrawn before any is counted as done."""
        assert self.avatar.numerics

    def note_damage(self, damage: Exception) -> None:
        """A reader came upon damage. Of a film `make` takes care; a task that was asked for by itself works when it is asked for again."""
        emit_event("damage_met", error=str(damage))
        if self.part.alone:
            withdraw_damaged(self.run, thorough=True)

    def lap_seconds(self) -> float:
        """Seconds since this was last asked."""
        before, self._lap = self._lap, time.monotonic()
        return round(self._lap - before, 4)

    @cached_property
    def disk(self) -> DiskSpace:
        """The disk."""
        span, output = self.part.span(self.run.spec.clips), None
        if len(span) == self.run.spec.clips:  # a part is joined once, where it is to lie
            output = self.part.output(self.run.root, self.run.spec)
        return DiskSpace(self.run, span, None if output is None else output.path)

    @cached_property
    def shared_decoding(self) -> SharedDecoding | None:
        """The segments that other machines decode; None where none do."""
        return open_shared_decoding(self.run, self._wait_for_others)

    def _wait_for_others(self, seconds: float) -> None:
        self.stop.wait(seconds)
        self.watchdog.wait_for_other()

    @cached_property
    def live(self) -> LiveFilm:
        """The film as it can be watched meanwhile, where that is asked for and the whole film is made."""
        settings, clips = self.run.settings, self.run.spec.clips
        whole = not self.part.alone and len(self.part.span(clips)) == clips
        return LiveFilm(self.run, wanted=whole and (settings.live or settings.grow))

    @cached_property
    def checkpoints(self) -> StateCheckpoints:
        """When the denoiser's state is saved, and its writer."""
        cost = CheckpointCost(model_traits_of(self.run).carry_bytes, self.is_on_gpu)
        return StateCheckpoints(self.run, cost, self.disk.has_room_for, self.watchdog)

    def read_device(self) -> "Mapping[str, int | str]":
        """What the model's device says of itself; nothing where no model was needed."""
        if "avatar" not in self.__dict__:
            return {}
        try:
            return self.avatar.look()
        except Exception:  # noqa: BLE001 - whatever a driver raises: what is only told costs no clip
            return {}

    @property
    def is_on_gpu(self) -> bool:
        """True if the model takes memory of a device, and so parts of it could wait on the host."""
        settings = self.run.settings
        machine = device_config_of(settings, self.part.threads or 1)
        options = model_options_of(self.run.spec, settings)
        return registry.bytes_needed(self.run.spec.model, options, machine) > 0

    def unload(self, *, whole: bool) -> None:
        """Let go of the decoder's memory; `whole`: of the model, too, to be loaded anew."""
        self._decoder = None
        if whole:
            if "denoise_ahead" in self.__dict__:
                self._publish_leftovers(self.denoise_ahead.end())
            for name in ("denoise_ahead", "avatar"):
                self.__dict__.pop(name, None)
            unload_avatar()
        release_memory()
        self.heap_hidden = False

    @cached_property
    def inputs(self) -> "Mapping[str, Any]":
        """What EncodeInputs made."""
        return self.run.inputs.read_all()

    @cached_property
    def denoise_ahead(self) -> DenoiseAhead:
        """The denoiser, ahead as far as the settings let it."""
        source = DenoiseSources(
            partial(self.avatar.denoiser, self.inputs, poses=self.poses),
            self.features,
            self.checkpoints,
        )
        reach = Lookahead(self._lookahead_clips, self._last_clip)
        return DenoiseAhead(self.run, source, reach, self.stop, self.watchdog)

    @property
    def _lookahead_clips(self) -> int:
        settings = self.run.settings
        if self.part.alone or self.run.spec.motion_latents:
            return 0
        # One clip is denoised and one decoded while clip_batch_size of them wait in between.
        waiting = settings.ahead if settings.offline else settings.clip_batch_size + 1
        return min(settings.ahead, waiting)

    @property
    def _last_clip(self) -> int:
        return self.part.span(self.run.spec.clips).stop - 1

    def features(self, clip: int, sound: int) -> "Float":
        """What the model hears of a clip [layer, channel, frame], of several speakers [speaker, layer, channel, frame]: published, or made again where it was lost or is of an older sound."""
        return hear_clip(self.run, self.avatar, self.inputs, clip, sound)

    def extract_features(self, clip: int) -> "Float":
        """The features of a clip [layer, channel, frame], of several speakers [speaker, layer, channel, frame], of the sound that it was made to."""
        sound = self.run.spec.sound_of(clip)
        return extract_features(self.run, self.avatar, self.inputs, clip, sound)

    @property
    def poses(self) -> "Poses | None":
        """The pose latents [c, t, h, w] of each clip; None where the film has no pose video."""
        return self._find_pose if self.run.spec.pose else None

    def _find_pose(self, clip: int) -> "Float":
        there = self.run.pose.complete(clip)
        return self.run.pose.read(clip) if there else self.encode_pose(clip)

    def encode_pose(self, clip: int) -> "Float":
        """The pose latents [c, t, h, w] of a clip, out of the run's copy of the pose video. Raises InputDamaged, BadPoseVideo."""
        frames = self.run.spec.clip_frames
        self.run.check_inputs("pose")
        return self.avatar.encode_pose(self._pose_reader.read(clip * frames, frames))

    @cached_property
    def _pose_reader(self) -> PoseReader:
        run, spec = self.run, self.run.spec
        reader = PoseReader(
            run.input_paths["pose"], spec.pose_stride, (spec.width, spec.height), spec.crop
        )
        self._closing.callback(reader.close)
        return reader

    def decode(self, clip: int) -> "Byte":
        """The frames of a clip [frame, y, x, rgb], from its latents and the decoder's memory of those before."""
        self.agree()
        latents = self.run.latents.read(clip)
        streams = self._decoder is not None and self._decoder.next_clip == clip
        if self._decoder is None or not streams or clip in self.run.spec.cuts:
            self._decoder = position_decoder(self.run, self.avatar, clip)
        decoder, self._decoder = self._decoder, None  # lost if it fails, as its state then is
        frames = decoder.decode(latents)
        if self.run.spec.motion_latents:
            motion = decoder.motion()
            require_finite(clip, motion)
            self.run.motion.publish(clip, motion)
        self._decoder = decoder
        return frames


def require_finite(clip: int, motion: "Float") -> None:
    """The latents that the next clip takes are numbers; raises NotFinite."""
    import numpy as np

    if not (fine := np.isfinite(motion)).all():
        raise NotFinite(clip, motion.size - int(fine.sum()), motion.size, "that of the decoder")


def get_session(folder: str) -> Session:
    """The session that this process has on a run; one for a single task is opened here and lives as long as the process."""
    root = str(cached_run(folder).root)
    if root not in _sessions:
        alone = Session(cached_run(folder), FilmPart(alone=True), StopFlag())
        alone.open()
        atexit.register(alone.close)
    return _sessions[root]


@contextmanager
def open_session(run: Run, part: FilmPart, stop: StopFlag) -> Iterator[Session]:
    """A session for a whole film; one that a single task left open is closed first."""
    if str(run.root) in _sessions:
        _sessions[str(run.root)].close()
    session = Session(run, part, stop)
    try:
        session.open()
        yield session
    finally:
        session.close()
