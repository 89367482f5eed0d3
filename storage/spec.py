"""What is frozen in run.json: the spec, which decides the pixels, and the settings, which never do."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Self

from storage.takes import History, Take, history_of, joins_of, until

CARRY_FIRST = 8
"""The clip that the first carry stands before, where nothing is known yet of its cost."""

STALL_TIMES = 10
"""How many times its usual time a stage may take before it is held for hung."""
STALL_PATIENCE = 4
"""How many limits where nothing is usual yet: the first of its kind, and whatever loads a model."""

YOUNGER = {"whole_audio", "takes", "precision", "silence", "mix", "gain"}


@dataclass(frozen=True)
class Reading:
    """How a soundtrack is read, decided once by all of it (storage/mixing.py); the default is how films before this read theirs."""

    silence: int = 0
    """Samples, at the sound's own rate, that are put before its first: it starts late in its container."""
    mix: str = ""
    """left, right: that side alone is heard. turned: the right side is turned over, heard so and in the film. Empty: both, as they are."""
    gain: int = 0
    """In thousandths, of more than two channels in the film's two; 0: so little that nothing could ever clip."""


@dataclass(frozen=True)
class Spec:
    """Everything that decides the pixels of one film. No floats: its JSON, and so its digest, is one on every machine."""

    model: str
    weights: str
    """SHA-256 over the model's weight files."""
    image: str
    """SHA-256 of the picture's file."""
    audio: str
    """SHA-256 of the soundtrack's file."""
    prompt: str
    seed: int
    width: int
    height: int
    crop: str
    """How the picture fits (storage/picture.py): cover, contain, exact, or the side that is kept."""
    fps: int
    frames: int
    """Frames of the whole film, exactly."""
    clips: int
    clip_frames: int
    clip_latents: int
    block_frames: int
    frames_per_latent: int
    latent_channels: int
    latent_width: int
    latent_height: int
    steps: int
    audio_layers: int
    audio_channels: int
    sample_rate: int
    """Of the sound that the model hears."""
    crf: int
    preset: str
    motion_latents: int = 0
    """Latents that a clip takes from the decoded clip before it."""
    guidance: str = ""
    """A decimal number; empty where there is no guidance."""
    audio_lead: int = 0
    """Frames by which the sound leads the picture."""
    whole_audio: bool = False
    """Each clip is heard with the whole sound, not with a window of it."""
    takes: tuple[Take, ...] = ()
    """Clips that were made again with another seed, in the order in which that was done; each names the film that it was taken from."""
    precision: str = ""
    """fp8, or empty: the model's own."""
    silence: int = 0
    mix: str = ""
    gain: int = 0
    """These three: how the soundtrack is read (Reading)."""

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Self:
        """A spec as JSON has it."""
        takes = tuple(Take(**each) for each in facts.get("takes", ()))
        return cls(**{**facts, "takes": takes})

    @property
    def canonical(self) -> str:
        """The one JSON text that stands for this spec: keys sorted, no spaces."""
        # A field younger than the first runs is there only where it says something: their digests stay.
        told = {name: value for name, value in asdict(self).items() if value or name not in YOUNGER}
        return json.dumps(told, sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hex."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def reading(self) -> Reading:
        """How the soundtrack is read."""
        return Reading(self.silence, self.mix, self.gain)

    @property
    def samples_per_frame(self) -> int:
        """Samples of sound (at sample_rate) to one frame of film."""
        return self.sample_rate // self.fps

    def history(self, clip: int) -> History:
        """The seeds that a clip came of (storage/takes.py)."""
        return history_of(self.seed, self.takes, clip)

    def before(self, clip: int) -> History:
        """The seeds of all that a clip came of, without its own."""
        return until(self.history(clip), clip)

    @cached_property
    def joins(self) -> tuple[int, ...]:
        """The clips that do not follow the one before them: an older take goes on there."""
        return tuple(joins_of(self.seed, self.takes, self.clips))

    @cached_property
    def cuts(self) -> tuple[int, ...]:
        """The joins at which the decoder does not go on from the clip before: it has the past of the older take."""
        last = {take.until: take for take in self.takes}
        return tuple(clip for clip in self.joins if not last[clip].redecode)

    def cut_before(self, clip: int) -> int:
        """The last cut at or before a clip; 0 where there is none."""
        return max((cut for cut in self.cuts if cut <= clip), default=0)

    def clip_span(self, clip: int) -> range:
        """The film's frames that a clip holds, end excluded; the last clip is cut where the film ends."""
        start = clip * self.clip_frames
        return range(start, min(start + self.clip_frames, self.frames))

    def frames_in(self, clip: int) -> int:
        """The number of frames of the film in a clip."""
        return len(self.clip_span(clip))


@dataclass(frozen=True)
class Settings:
    """All that never decides a bit: order, room, patience. Where each came from stands beside it, in `sources`."""

    ahead: int = 2
    """Clips that the denoiser may run ahead of what is published."""
    clip_batch_size: int = 1
    offline: bool = False
    keep_frames: str = "auto"
    """auto, all, none or a number of clips."""
    keep_steps: str = "all"
    """all, none or a number of clips."""
    carry_every: int = -1
    """Clips between two carries; -1: as few as cost 2 % of the time, 0: none are written."""
    carry_anchors: int = 0
    """Every how many-th carry is kept for retakes; 0 keeps none. Where carry_every is -1 or 0 it counts in eights."""
    retry_limit: int = 3
    retry_delay: float = 1.0
    """Seconds before the second try; before each later one twice as many, a minute at most."""
    stall_limit: float = 900.0
    """Seconds without a move after which a stage is held for hung (tasks/watchdog.py); 0: never."""
    disk_budget: int | None = None
    """Bytes that frames may take when keep_frames is auto."""
    weights: str = ""
    """The folder of published weights; the spec has their digest."""
    lora: str = ""
    """The LoRA's file, where it does not lie with them."""
    device: str = "auto"
    """auto, cpu or cuda."""
    offload_model: bool | None = None
    """Whether parts that are not in use wait on the host; None: as the card's memory needs it."""
    device_memory: int | None = None
    """Bytes of the device that may be used; None: all that is free."""
    on_low_memory: str = "refuse"
    """refuse or step-down: what happens, once, where the device has no room for the film's size."""
    asked_size: str = ""
    """The size that was asked for, where the film is smaller for want of memory."""
    output_file: str | None = None

    @property
    def anchor_clips(self) -> int:
        """Carries that stand before a multiple of this are never deleted; 0: there are none such."""
        return self.carry_anchors * (self.carry_every if self.carry_every > 0 else CARRY_FIRST)

    @classmethod
    def known(cls, values: Mapping[str, Any]) -> Self:
        """The settings out of a mapping; a name of a later version is passed over, one not given has its default."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in names})
