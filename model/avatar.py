"""What a film needs of a model, and nothing else: every model is these Protocols. What crosses is numpy; a tensor never leaves this package."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from model.estimates import MachineSpeed, MemoryEstimate, TimeEstimate
from model.kv.kv_shape import Shard
from model.sharding.follower_processes import followers_started
from model.sharding.launcher_env import read_launched_place, show_first_card
from model.speaker_places import Place

if TYPE_CHECKING:
    from model.latent_preview import LatentPreview
    from model.pocket.face_finder import FoundFace

Float = NDArray[np.float32]
Byte = NDArray[np.uint8]
Named = Mapping[str, NDArray[np.generic]]
Seed = int | Callable[[int], int]
"""That of a whole film, or what gives each clip its own."""
Poses = Callable[[int], Float | None]
"""The pose latents [c, t, h, w] of a clip, by its number; None where it has none."""
FP8 = "fp8"


@dataclass(frozen=True)
class Options:
    """What a person may choose of a model; it decides pixels, so it is part of the spec."""

    width: int = 0
    height: int = 0
    clip_frames: int = 0
    steps: int = 0
    """0, here and above: the model's own."""
    guidance: str = ""
    """How much the prompt is followed, as a decimal number; empty: the model's own."""
    weights: str = ""
    """The folder of published weights, where they are not in the package. Its digest, not its name, decides pixels."""
    lora: str = ""
    """The LoRA's file, where it does not lie with them."""
    whole_audio: bool = False
    """Each clip is heard with the whole sound, as published; a large model's."""
    precision: str = ""
    """fp8, or empty: the model's own."""
    negative_prompt: str = ""
    """What guidance leads away from, in words."""
    speakers: int = 1


@dataclass(frozen=True)
class DeviceConfig:
    """Where a model is put; all but `threads`, the kind of device and a share of heads never decides a bit."""

    threads: int = 1
    """CPU threads of each of its streams (denoiser, decoder)."""
    device: str = "auto"
    """auto, cpu or cuda; pocket is at home on a CPU."""
    offload: bool | None = None
    """Parts that are not in use wait on the host; None: as the card's memory needs it."""
    memory: int | None = None
    """Bytes of the device that may be used; None: all that is free."""
    gpus: tuple[int, ...] = ()
    """Numbers of the cards that the model is shared out over, a process (rank) each; on a CPU as many processes. Fewer than two: it is not."""
    parallel: str = "auto"
    """What is shared out: steps, layers, heads, or auto."""
    shard: Shard | None = None
    """What this process has of the model; None: all of it."""


@dataclass(frozen=True)
class AudioWindow:
    """What a model hears of one clip: its span of the sound with the margins, silence beyond the ends, and what the whole sound is like."""

    sound: Float
    first: int = 0
    """Where in the whole sound the clip's own span begins, in samples."""
    samples: int = 0
    """Length of the whole sound."""
    mean: float = 0.0
    variance: float = 1.0


@dataclass(frozen=True)
class ModelTraits:
    """The numbers of a model that the other rooms need. Known without loading any weight."""

    name: str
    fps: int
    clip_frames: int
    """Frames of one clip; a whole number of blocks."""
    block_frames: int
    frames_per_latent: int
    latent_channels: int
    latent_width: int
    latent_height: int
    """Latent pixels; they may cover a little more than the film, which is then cut."""
    size_multiple: int
    """Width and height are multiples of this."""
    default_width: int
    default_height: int
    steps: int
    """Denoising steps, unless asked otherwise."""
    sample_rate: int
    audio_layers: int
    audio_channels: int
    audio_margin: int
    """Samples of sound that extract_audio reads on either side of a clip's own span."""
    decoder_memory: int
    """Latent frames after which the decoder has forgotten everything."""
    reads_words: bool = False
    """Its prompt asks for acts by its words, as model.pocket.prompts reads them, and a script says how strongly."""
    needs_face: bool = False
    """Where mouth and eyes are in the picture decides pixels: encode_inputs takes it."""
    takes_pose: bool = False
    """A pose video may move the body: encode_pose takes its frames."""
    latents_blend: bool = False
    """Between two films of one picture and sound, a mean of their latents is a film, too."""
    heard_latents: tuple[range, ...] = ()  # channels, latents, rows, columns: of the sound alone
    motion_latents: int = 0
    """Latents that a clip takes from the decoded clip before it; 0 where it takes none, and decoding may wait."""
    guidance: str = ""
    """How much the prompt is followed; empty where there is no guidance."""
    hears_whole: bool = False
    """extract_audio reads the whole sound on either side of a clip's own span, not audio_margin."""
    precision: str = ""
    """fp8, or empty: the model's own."""
    carry_bytes: int = 0
    """Of what goes from clip to clip, about; 0 where that is the motion latents."""
    carry_pieces: int = 0
    layers: int = 0
    """Of its transformer, where these, its steps, its heads or its guidance can be shared out over ranks; else 0."""
    heads: int = 0
    tokens: tuple[int, int] = (0, 0)
    """Of one latent frame, and of the condition: by heads, each rank has as many of either as any other."""
    encoded_bytes: int = 0
    """Of the encoded picture and prompt, where that is worth telling."""

    @property
    def decodes_offline(self) -> bool:
        """False where the next clip needs the decoded one."""
        return self.motion_latents == 0

    @property
    def clip_latents(self) -> int:
        """Latent frames of one clip."""
        return self.clip_frames // self.frames_per_latent

    @property
    def samples_per_frame(self) -> int:
        """Samples of sound (at sample_rate) to one frame of film."""
        return self.sample_rate // self.fps


@dataclass(frozen=True)
class Denoised:
    """One clip out of the denoiser."""

    latents: Float
    """[c, t, h, w]"""
    steps: Float
    """[step, c, t, h, w]: the latents as they were after each step; the last equals `latents`."""


class Denoiser(Protocol):
    """A film in the making: the KV cache and whatever else goes from clip to clip. Not thread-safe."""

    @property
    def next_clip(self) -> int:
        """The clip that `denoise` makes next."""

    def denoise(self, audio: Float) -> Denoised:
        """Make the next clip from its own features [layer, channel, frame], of several speakers [speaker, layer, channel, frame]."""

    def carry(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """All that the next clip takes from those before it, piece by named piece (bf16 as uint16): copies, for whoever asks to keep."""

    def restore(self, clip: int, carry: Iterable[tuple[str, NDArray[np.generic]]]) -> None:
        """Stand before `clip` again; `restore(0, ())` starts over."""


class Decoder(Protocol):
    """Latents into frames, clip after clip, with bounded memory. Not thread-safe."""

    @property
    def next_clip(self) -> int:
        """The clip that `decode` expects next."""

    def decode(self, latents: Float) -> Byte:
        """Decode the next clip: [c, t, h, w] → [frame, y, x, rgb]."""

    def seek(self, clip: int, preceding: Float) -> None:
        """Stand before `clip`, given the latents [c, ≤ decoder_memory, h, w] that precede it.

        All of the film's latents are given where there are fewer than decoder_memory. The frames are then bit for bit those of an unbroken stream.
        With traits.motion_latents, `preceding` is what `motion` said after the clip before; nothing before clip 0.
        """

    def motion(self) -> Float:
        """What the next clip takes from the one just decoded [c, motion_latents, h, w]; not asked where that is 0."""


class Avatar(Protocol):
    """A model with its weights loaded."""

    @property
    def traits(self) -> ModelTraits:
        """Its numbers, for the options it was loaded with."""

    @property
    def numerics(self) -> Mapping[str, str | int]:
        """What decides the last bits: precision, torch, device, threads, and `probe`, the hash of a fixed computation through its layers. Part of the run's fingerprint."""

    def require_precision(self) -> None:
        """Raise WrongPrecision where a layer computes something else than float32 does, but for rounding. Takes a second: asked where the probe is new."""

    def encode_inputs(self, picture: Byte, prompt: str, place: Place = None, script: str = "") -> Named:  # fmt: skip
        """Everything that is computed once a run from the picture [y, x, rgb] (of the film's size), the prompt and, with traits.needs_face or several speakers, where mouth and eyes (or the speakers) are in the picture, in its pixels (None for a run that was begun before that was known), and a schedule of prompts (model/prompt_schedule.py), empty where one holds throughout."""

    def extract_audio(self, heard: AudioWindow) -> Float:
        """Features [layer, channel, frame] of one clip from its span and audio_margin on both sides."""

    def encode_pose(self, frames: Byte) -> Float:
        """Pose latents [c, t, h, w] of one clip from its frames of the pose video [frame, y, x, rgb], as large as the film; where these are fewer than the clip's, the rest is black. Not asked without traits.takes_pose."""

    @property
    def peaks(self) -> Mapping[str, int]:
        """The most device memory that was taken so far, in bytes, by who says so; nothing on a CPU."""

    def look(self) -> Mapping[str, int | str]:
        """The device now: `card` (its name), `used` and `total` (bytes), `temperature`, `load` (percent), as far as it tells; nothing on a CPU."""

    def denoiser(self, inputs: Named, seed: Seed, poses: Poses | None = None) -> Denoiser:
        """A denoiser that stands before clip 0, and asks for the pose latents of each clip where the film has some."""

    def decoder(self, inputs: Named) -> Decoder:
        """A decoder that stands before clip 0."""


def seed_for_clip(seed: Seed, clip: int) -> int:
    """The seed of a clip."""
    return seed(clip) if callable(seed) else seed


MODELS = {
    "pocket": "model.pocket",
    "live-avatar": "model.live_avatar",
    "wan-s2v": "model.wan_s2v",
}
"""A model → its package, with a module `model_traits` (what it is) and a module `avatar` (loads it)."""


class TraitsModule(Protocol):
    """The module that says what a model is, without its weights."""

    def describe_model(self, options: Options) -> ModelTraits:
        """Its traits for these options."""

    def weights_digest(self, options: Options, *, fetch: bool = True) -> str:
        """The digest of its weights; `fetch` allows to download them."""

    def bytes_needed(self, options: Options, machine: DeviceConfig) -> int:
        """Device memory without which a film cannot be made; 0 where that is no question."""

    def read_preview(self, options: Options) -> "LatentPreview":
        """What makes small pictures of its latents."""

    def estimate_memory(
        self, options: Options, machine: DeviceConfig, free: int | None
    ) -> MemoryEstimate:
        """What a film (machine.shard: a rank's part of it) takes, placed as a card with so much free memory has it (None: no card)."""

    def estimate_time(
        self, options: Options, machine: DeviceConfig, free: int, speed: MachineSpeed
    ) -> TimeEstimate | None:
        """How long a card with so much free memory takes; None where only measuring tells."""


class AvatarModule(Protocol):
    """The module that loads a model."""

    def load_model(self, options: Options, machine: DeviceConfig) -> Avatar:
        """It, with its weights."""

    def bytes_free(self, machine: DeviceConfig) -> int | None:
        """Device memory that can be had now; None where nobody knows."""


def is_sharded(machine: DeviceConfig) -> bool:
    """Whether a model is to be loaded on several ranks."""
    return machine.shard is None and (len(machine.gpus) > 1 or read_launched_place() is not None)


def describe_model(name: str, options: Options) -> ModelTraits:
    """The traits of a model, without loading it (and without torch)."""
    traits: TraitsModule = import_module(f"{MODELS[name]}.model_traits")
    return traits.describe_model(options)


def weights_digest(name: str, options: Options, *, fetch: bool = True) -> str:
    """The SHA-256 that stands for all weight files of a model: part of the spec. Without torch."""
    traits: TraitsModule = import_module(f"{MODELS[name]}.model_traits")
    return traits.weights_digest(options, fetch=fetch)


def load_model(name: str, options: Options, machine: DeviceConfig) -> Avatar:
    """Load a model; on several ranks, where `machine` or a launcher says so. Raises BadOption, RankLost."""
    show_first_card(machine.gpus)
    if is_sharded(machine):
        # Before torch is imported here, as that takes them as long.
        with followers_started(0 if read_launched_place() else len(machine.gpus) - 1):
            shared = import_module("model.sharding.sharded_avatar")
            return shared.load_sharded(name, options, machine)
    loader: AvatarModule = import_module(f"{MODELS[name]}.avatar")
    return loader.load_model(options, machine)


def bytes_needed(name: str, options: Options, machine: DeviceConfig) -> int:
    """Device memory without which a film cannot be made; 0 where that is no question. Without torch."""
    traits: TraitsModule = import_module(f"{MODELS[name]}.model_traits")
    return traits.bytes_needed(options, machine)


def read_preview(name: str, options: Options) -> "LatentPreview | None":
    """What makes small pictures of a model's latents; None for a model that is not known here. Without torch."""
    if name not in MODELS:
        return None
    traits: TraitsModule = import_module(f"{MODELS[name]}.model_traits")
    return traits.read_preview(options)


def estimate_memory(
    name: str, options: Options, machine: DeviceConfig, free: int | None
) -> MemoryEstimate:
    """What a film takes, by part. Without torch."""
    traits: TraitsModule = import_module(f"{MODELS[name]}.model_traits")
    return traits.estimate_memory(options, machine, free)


def estimate_time(
    name: str, options: Options, machine: DeviceConfig, free: int, speed: MachineSpeed
) -> TimeEstimate | None:
    """How long a card takes, by arithmetic; None where only measuring tells. Without torch."""
    traits: TraitsModule = import_module(f"{MODELS[name]}.model_traits")
    return traits.estimate_time(options, machine, free, speed)


def find_faces(name: str, picture: Byte) -> "list[FoundFace]":
    """The faces in a picture [y, x, rgb] as a model with traits.needs_face looks for them, the largest that is sure first. Without torch."""
    found: list[FoundFace] = import_module(f"{MODELS[name]}.face_finder").find_faces(picture)
    return found


def bytes_free(name: str, machine: DeviceConfig) -> int | None:
    """Device memory that can be had now; None where nobody knows. Of several cards, that of rank 0's."""
    show_first_card(machine.gpus)
    loader: AvatarModule = import_module(f"{MODELS[name]}.avatar")
    return loader.bytes_free(machine)
