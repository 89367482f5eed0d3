"""What this process holds of the run that it works on: the lock, the model, the denoiser and the decoder.

A film has one session; a task that is asked for by itself opens one, which lives as long as the process.
"""

import atexit
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.errors import LongtakeError, NotFinite, OtherNumerics
from storage.lock import held
from storage.memory_guard import require_libraries, start_guard
from storage.run import Run
from tasks.carries import Carries, Cost
from tasks.damage import withdraw_damaged
from tasks.events import emit, recorded
from tasks.generator import Generator, Made, Reach, Source
from tasks.joint import join
from tasks.opening import open_run
from tasks.part import Part
from tasks.past import latents_before, motion_before
from tasks.space import Space
from tasks.stopping import Stop
from tasks.timeline import sound_span
from tasks.watchdog import Watchdog

if TYPE_CHECKING:
    from model.avatar import Avatar, Byte, Decoder, Float, Machine, Options, Traits
    from storage.spec import Settings, Spec

# By the absolute folder as text: tasks ask for these a hundred times a clip.
_sessions: dict[str, "Session"] = {}
_runs: dict[str, Run] = {}
_loaded: dict[tuple[object, ...], "Avatar"] = {}


def options_of(spec: "Spec", settings: "Settings") -> "Options":
    """What was chosen of the run's model."""
    from model.avatar import Options

    chosen = (spec.width, spec.height, spec.clip_frames, spec.steps, spec.guidance)
    return Options(*chosen, settings.weights, settings.lora, spec.whole_audio, spec.precision)


def machine_of(settings: "Settings", threads: int) -> "Machine":
    """Where the model is put."""
    from model.avatar import Machine

    return Machine(threads, settings.device, settings.offload_model, settings.device_memory)


def traits_of(run: Run) -> "Traits":
    """The numbers of the run's model; loads no weight."""
    from model import avatar

    return avatar.describe(run.spec.model, options_of(run.spec, run.settings))


def load_avatar(spec: "Spec", settings: "Settings", threads: int) -> "Avatar":
    """The model with its weights; loaded once a process."""
    from model import avatar

    options, machine = options_of(spec, settings), machine_of(settings, threads)
    start_guard()
    require_libraries()
    key = (spec.model, spec.weights, options, machine)
    if key not in _loaded:
        _loaded.clear()  # two big models do not fit a device
        _loaded[key] = avatar.load(spec.model, options, machine)
    return _loaded[key]


class Session:
    """The work of one process on one run."""

    def __init__(self, run: Run, part: Part, stop: Stop) -> None:
        self.run, self.part, self.stop = run, part, stop
        self.watchdog = Watchdog(run.settings.stall_limit)
        self.failure: LongtakeError | None = None
        self._decoder: Decoder | None = None
        self._agreed = False
        self._closing = ExitStack()
        self._lap = time.monotonic()

    def open(self) -> None:
        """Take the lock, remove what a crash left."""
        before = self._closing.enter_context(self.run.lock())
        self._closing.enter_context(recorded(self.run.events_path))
        if before is not None:
            emit("lock_taken_over", before=before)
        folder = str(self.run.root)
        self._closing.callback(_sessions.pop, folder, None)
        _sessions[folder], _runs[folder] = self, self.run
        self.watchdog.open()
        self._closing.callback(self.watchdog.close)
        self.run.sweep()

    def close(self) -> None:
        """Stop the denoiser after the clip it is at, keep what it has made, give the lock back."""
        with self._closing:
            if "generator" in self.__dict__:
                left = self.generator.end()
                if held(self.run.root):  # else it is another's to write
                    self._salvage(left)
                self.carries.close(hurried=self.stop.signal is not None)

    def _salvage(self, left: list[Made]) -> None:
        """Publish what was made ahead: a fault of the decoder, or a signal, costs no denoising."""
        from tasks.denoise import publish_made

        for made in left:
            if made.clip and not self.run.latents.complete(made.clip - 1):
                return
            try:
                publish_made(self.run, made)
            except Exception as fault:  # noqa: BLE001 - what ends the film is told; this would be made again
                emit("by_product_failed", stage="latents", clip=made.clip, error=str(fault))
                return

    def pulse(self) -> None:
        """The work goes on: the watchdog hears of it, and a signal is heeded."""
        self.watchdog.pulse()
        self.stop.heed()

    @cached_property
    def avatar(self) -> "Avatar":
        """The model, which must have the numerics that the run was begun with; raises OtherNumerics."""
        begun = self.run.fingerprint
        threads = self.part.threads or int(begun.get("threads", 1))
        # Nothing is written meanwhile, so a signal need not wait for the end of it.
        with self.watchdog.watch("load"), self.stop.at_once():
            avatar = load_avatar(self.run.spec, self.run.settings, threads)
            numerics = avatar.numerics
            if begun.get("probe") != numerics.get("probe"):
                avatar.require_precision()
        if other := differences(begun, numerics):
            if not self.part.accept_joint:
                raise OtherNumerics(self.run.root, other)
            join(self.run, numerics)
        return avatar

    def agree(self) -> None:
        """See that this machine gives the bits that are published, before it publishes any: the clips since the newest carry are made again, and compared.

        Once a session; where nothing is to be denoised there is nothing to compare. Numerics that an older version did not record are recorded then.
        Raises OtherNumerics, NotReproduced.
        """
        if self._agreed:
            return
        numerics, run, stop = self.avatar.numerics, self.run, self._last + 1
        missing = next((clip for clip in range(stop) if not run.latents.complete(clip)), 0)
        if missing and not run.spec.motion_latents:
            self.generator.replay_until(missing)
        run.record_numerics(numerics)
        self._agreed = True

    def accept_joint(self) -> None:
        """Load the model now: should its numerics be others, clips are withdrawn before any is counted as done."""
        assert self.avatar.numerics

    def met(self, damage: Exception) -> None:
        """A reader came upon damage. Of a film `make` takes care; a task that was asked for by itself works when it is asked for again."""
        emit("damage_met", error=str(damage))
        if self.part.alone:
            withdraw_damaged(self.run, thorough=True)

    def lap(self) -> float:
        """Seconds since this was last asked."""
        before, self._lap = self._lap, time.monotonic()
        return round(self._lap - before, 4)

    @cached_property
    def space(self) -> Space:
        """The disk."""
        span, output = self.part.span(self.run.spec.clips), None
        if len(span) == self.run.spec.clips:  # a part is joined once, where it is to lie
            output = self.part.output(self.run.root, self.run.spec)
        return Space(self.run, span, None if output is None else output.path)

    @cached_property
    def carries(self) -> Carries:
        """The saved states of the denoiser."""
        cost = Cost(traits_of(self.run).carry_bytes, self.is_on_card)
        return Carries(self.run, cost, self.space.has_room_for, self.watchdog)

    def device_now(self) -> "Mapping[str, int | str]":
        """What the model's device says of itself; nothing where no model was needed."""
        if "avatar" not in self.__dict__:
            return {}
        try:
            return self.avatar.look()
        except Exception:  # noqa: BLE001 - whatever a driver raises: what is only told costs no clip
            return {}

    @property
    def is_on_card(self) -> bool:
        """True if the model takes memory of a device, and so parts of it could wait on the host."""
        from model import avatar

        settings = self.run.settings
        machine = machine_of(settings, self.part.threads or 1)
        options = options_of(self.run.spec, settings)
        return avatar.bytes_needed(self.run.spec.model, options, machine) > 0

    def unload(self, *, whole: bool) -> None:
        """Let go of the decoder's memory; `whole`: of the model, too, to be loaded anew."""
        from model import avatar

        self._decoder = None
        if whole:
            if "generator" in self.__dict__:
                self._salvage(self.generator.end())
            for name in ("generator", "avatar"):
                self.__dict__.pop(name, None)
            _loaded.clear()
        avatar.release_memory()

    @cached_property
    def inputs(self) -> "Mapping[str, Any]":
        """What EncodeInputs made."""
        return self.run.inputs.read_all()

    @cached_property
    def generator(self) -> Generator:
        """The denoiser, ahead as far as the settings let it."""
        source = Source(partial(self.avatar.denoiser, self.inputs), self.features, self.carries)
        reach = Reach(self._bound, self._last)
        return Generator(self.run, source, reach, self.stop, self.watchdog)

    @property
    def _bound(self) -> int:
        settings = self.run.settings
        if self.part.alone or self.run.spec.motion_latents:
            return 0
        # One clip is denoised and one decoded while clip_batch_size of them wait in between.
        waiting = settings.ahead if settings.offline else settings.clip_batch_size + 1
        return min(settings.ahead, waiting)

    @property
    def _last(self) -> int:
        return self.part.span(self.run.spec.clips).stop - 1

    def features(self, clip: int) -> "Float":
        """What the model hears of a clip [layer, channel, frame]: published, or made again where it was lost."""
        if self.run.audio.complete(clip):
            return self.run.audio.read(clip)
        return self.listen(clip)

    def listen(self, clip: int) -> "Float":
        """The features of a clip [layer, channel, frame] from its span of the sound and the model's margin."""
        from model.avatar import Heard

        spec, sound, traits = self.run.spec, self.run.sound, self.avatar.traits
        margin = sound.samples if traits.hears_whole else traits.audio_margin
        span = sound_span(clip, spec.clip_frames, spec.samples_per_frame, spec.audio_lead)
        window = sound.read(span.start - margin, span.stop + margin)
        mean, variance = (float(each) for each in self.inputs["sound_moments"])
        return self.avatar.extract_audio(Heard(window, span.start, sound.samples, mean, variance))

    def decode(self, clip: int) -> "Byte":
        """The frames of a clip [frame, y, x, rgb], from its latents and the decoder's memory of those before."""
        self.agree()
        latents = self.run.latents.read(clip)
        streams = self._decoder is not None and self._decoder.next_clip == clip
        if self._decoder is None or not streams or clip in self.run.spec.cuts:
            self._decoder = decoder_before(self.run, self.avatar, clip)
        decoder, self._decoder = self._decoder, None  # lost if it fails, as its state then is
        frames = decoder.decode(latents)
        if self.run.spec.motion_latents:
            motion = decoder.motion()
            require_finite(clip, motion)
            self.run.motion.publish(clip, motion)
        self._decoder = decoder
        return frames


def decoder_before(run: Run, avatar: "Avatar", clip: int) -> "Decoder":
    """A decoder that stands before a clip and remembers what it would after those before it."""
    decoder = avatar.decoder(run.inputs.read_all())
    if clip and run.spec.motion_latents:
        decoder.seek(clip, motion_before(run, clip))
    elif clip:
        decoder.seek(clip, latents_before(run, clip, avatar.traits.decoder_memory))
    return decoder


def require_finite(clip: int, motion: "Float") -> None:
    """The latents that the next clip takes are numbers; raises NotFinite."""
    import numpy as np

    if not (fine := np.isfinite(motion)).all():
        raise NotFinite(clip, motion.size - int(fine.sum()), motion.size, "that of the decoder")


def differences(begun: Mapping[str, str | int], now: Mapping[str, str | int]) -> str:
    """What differs, in words; empty if nothing does. What an older version did not ask of its machine is not compared."""
    return "; ".join(
        f"{name} was {begun[name]}, is {now.get(name, 'unknown')}"
        for name in sorted(begun)
        if begun[name] != now.get(name)
    )


def opened(folder: str) -> Run:
    """The run in a folder; read once a process."""
    if folder not in _runs:
        root = Path(folder).resolve()
        _runs[folder] = _runs[str(root)] = _runs.get(str(root)) or open_run(root)
    return _runs[folder]


def session_of(folder: str) -> Session:
    """The session that this process has on a run; one for a single task is opened here and lives as long as the process."""
    root = str(opened(folder).root)
    if root not in _sessions:
        alone = Session(opened(folder), Part(alone=True), Stop())
        alone.open()
        atexit.register(alone.close)
    return _sessions[root]


@contextmanager
def working(run: Run, part: Part, stop: Stop) -> Iterator[Session]:
    """A session for a whole film; one that a single task left open is closed first."""
    if str(run.root) in _sessions:
        _sessions[str(run.root)].close()
    session = Session(run, part, stop)
    try:
        session.open()
        yield session
    finally:
        session.close()
