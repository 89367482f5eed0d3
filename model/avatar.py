"""What a film needs of a model, and nothing else: every model is these four Protocols.

Arrays come in, arrays go out. What crosses is numpy; a tensor never leaves this package.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Byte = NDArray[np.uint8]
Named = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Options:
    """What a person may choose of a model; it decides pixels, so it is part of the spec."""

    width: int
    height: int
    clip_frames: int
    steps: int


@dataclass(frozen=True)
class Traits:
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
    prompt_acts: bool
    decodes_offline: bool
    """False where the next clip needs the decoded one."""

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
    """A film in the making: the rings and whatever else goes from clip to clip. Not thread-safe."""

    @property
    def next_clip(self) -> int:
        """The clip that `denoise` makes next."""

    def denoise(self, audio: Float) -> Denoised:
        """Make the next clip from its own features [layer, channel, frame]."""

    def carry(self) -> Iterator[tuple[str, NDArray[np.generic]]]:
        """All that the next clip takes from those before it, piece by named piece (bf16 as uint16)."""

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
        """


class Avatar(Protocol):
    """A model with its weights loaded."""

    @property
    def traits(self) -> Traits:
        """Its numbers, for the options it was loaded with."""

    @property
    def numerics(self) -> Mapping[str, str | int]:
        """What decides the last bits: precision, torch, device, threads. Part of the run's fingerprint."""

    def encode_inputs(self, picture: Byte, prompt: str) -> Named:
        """Everything that is computed once a run from the picture [y, x, rgb] (of the film's size) and the prompt."""

    def extract_audio(self, sound: Float) -> Float:
        """Features [layer, channel, frame] of one clip from its span and audio_margin on both sides (silence beyond the ends)."""

    def denoiser(self, inputs: Named, seed: int) -> Denoiser:
        """A denoiser that stands before clip 0."""

    def decoder(self, inputs: Named) -> Decoder:
        """A decoder that stands before clip 0."""


MODELS = {"pocket": "model.pocket"}
"""A model → its package, with a module `card` (what it is) and a module `avatar` (loads it)."""


class Card(Protocol):
    """The module that says what a model is, without its weights."""

    def describe(self, options: Options) -> Traits:
        """Its traits for these options."""

    def weights_digest(self) -> str:
        """The digest of its weights."""


class Loader(Protocol):
    """The module that loads a model."""

    def load(self, options: Options, *, threads: int) -> Avatar:
        """It, with its weights."""


def describe(name: str, options: Options) -> Traits:
    """The traits of a model, without loading it (and without torch)."""
    card: Card = import_module(f"{MODELS[name]}.card")
    return card.describe(options)


def weights_digest(name: str) -> str:
    """The SHA-256 over all weight files of a model: part of the spec. Without torch."""
    card: Card = import_module(f"{MODELS[name]}.card")
    return card.weights_digest()


def load(name: str, options: Options, *, threads: int) -> Avatar:
    """Load a model; `threads` is the number of CPU threads of each of its streams (denoiser, decoder)."""
    loader: Loader = import_module(f"{MODELS[name]}.avatar")
    return loader.load(options, threads=threads)
