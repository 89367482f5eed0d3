"""What a film needs of a model, and nothing else: every model is these Protocols. What crosses is numpy; a tensor never leaves this package."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.kv.kv_shape import Shard
from model.speaker_places import Place

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
