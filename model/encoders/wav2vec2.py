"""The speech encoder of Wan2.2-S2V and LiveAvatar: wav2vec 2.0 (arXiv 2006.11477), all its hidden states, at the film's rate.

The reference hears a whole file in one pass, whose memory grows with the file. Here a clip is heard from its own window of sound; of the whole
only its length, mean and variance come in. The two ways differ in the window and in nothing else.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from model.avatar import AudioWindow, Float
from model.device.processor import widen_convolutions
from model.encoders.wav2vec2_modules import SpeechSizes, Wav2Vec2
from model.weights.checkpoint import read_json
from model.weights.empty_modules import empty_modules
from model.weights.state_file import CPU, first_line, load_exactly, read_tensors
from storage.errors import OtherWeights

SAMPLE_RATE = 16_000
MARGIN = 4 * SAMPLE_RATE
"""Samples heard on either side of a clip."""
VIDEO_RATE = 30
"""Frames a second to which the reference interpolates, whatever the film's own rate."""
EPS = 1e-7
"""Added to the variance of the sound, as the published processor does."""
PREFIX = "wav2vec2."
"""Of the encoder's names in a file that has a recogniser of speech on top."""
MASK = "masked_spec_embed"
"""For training alone; the published file has it."""
POSITIONAL = "encoder.pos_conv_embed.conv"
"""Of its convolutions, the one whose weight is kept as direction and length."""

Frames = NDArray[np.int64]


@dataclass(frozen=True)
class FilmRate:
    """Frames a second of the film, and frames of one clip."""

    fps: int
    clip_frames: int

    def video_frames(self, first: int, count: int) -> Frames:
        """The frame at VIDEO_RATE of each of `count` film frames from `first`: the nearest, a half to the even one."""
        return np.rint(np.arange(first, first + count) * VIDEO_RATE / self.fps).astype(np.int64)


class Wav2VecEncoder:
    """A wav2vec 2.0 with its weights; `model` may be moved to a device."""

    def __init__(
        self,
        config: Mapping[str, Any],
        weights: Mapping[str, Tensor],
        dtype: torch.dtype,
        source: object = "The speech encoder",
    ) -> None:
        """What config.json says; weights with PREFIX and maybe a head, or bare ones. Raises OtherWeights, naming `source`."""
        self.model = build_encoder(config, weights, source).to(dtype)
        widen_convolutions(self.model)
        kernels, strides = self.model.sizes.conv_kernel, self.model.sizes.conv_stride
        self.hop = math.prod(strides)
        """Samples to one hidden state."""
        self.reach = 1 + sum((k - 1) * math.prod(strides[:i]) for i, k in enumerate(kernels))
        """Samples that the convolutions see of one hidden state."""

    @classmethod
    def read(cls, folder: Path, dtype: torch.dtype, device: torch.device = CPU) -> "Wav2VecEncoder":
        """From config.json and model.safetensors or pytorch_model.bin. Raises WeightsMissing, WeightsDamaged, OtherWeights."""
        file = folder / "model.safetensors"
        if not file.exists() and (folder / "pytorch_model.bin").exists():
            file = folder / "pytorch_model.bin"
        weights = read_tensors(file, device, dtype)
        encoder = cls(read_json(folder, "config.json"), weights, dtype, file)
        encoder.model.to(device)
        return encoder

    def extract_clip(self, heard: AudioWindow, rate: FilmRate) -> Float:
        """Features [layer, channel, frame] of one clip, float32; zeros past the sound's end.

        `heard.sound` is the clip's span with MARGIN (or any second or more) on both sides; what of it lies outside the sound is not heard at all.
        """
        margin = (len(heard.sound) - rate.clip_frames * SAMPLE_RATE // rate.fps) // 2
        frames = rate.video_frames(heard.first * rate.fps // SAMPLE_RATE, rate.clip_frames)
        return self._extract_window(heard, heard.first - margin, frames)

    def lengths(self, samples: int) -> tuple[int, int]:
        """Hidden states and video frames of a sound; at least one, where the reference would fail."""
        states = max(1, (samples - self.reach) // self.hop + 1)
        # In this order of operations, which is the reference's: it decides where a product falls short of a whole number.
        return states, max(1, int(states / (SAMPLE_RATE / self.hop) * VIDEO_RATE))

    def _extract_window(self, heard: AudioWindow, first: int, frames: Frames) -> Float:
        """Features at video frames, from a window that begins at sample `first` of the sound."""
        sizes = self.model.sizes
        shape = (sizes.num_hidden_layers + 1, sizes.hidden_size, len(frames))
        features = np.zeros(shape, np.float32)
        there = frames[frames < self.lengths(heard.samples)[1]]
        if len(there):
            # On whole hops of the whole sound: what the convolutions see is then what they see in the whole.
            start = max(0, -(-first // self.hop))
            window = heard.sound[start * self.hop - first : heard.samples - first]
            window = (window - heard.mean) / math.sqrt(heard.variance + EPS)
            states = self._states(np.pad(window, (0, max(0, self.reach - len(window)))))
            features[..., : len(there)] = self._interpolate(states, start, there, heard.samples)
        return features

    @torch.inference_mode()
    def _states(self, sound: NDArray[np.floating[Any]]) -> Tensor:
        """All hidden states [layer, channel, state] of normalised sound [samples], float32 on the host; the last one after the final norm."""
        like = self.model.feature_projection.projection.weight
        states = self.model(torch.from_numpy(sound).to(like))
        return rearrange(states.float().cpu(), "layer state channel -> layer channel state")

    def _interpolate(self, states: Tensor, start: int, frames: Frames, samples: int) -> Float:
        """Linear interpolation at video frames; both ends of the whole sound meet (align_corners), so its length stretches the grid a little."""
        count, there = self.lengths(samples)
        # float32, as in the reference: after an hour this is up to 1/128 of a state.
        stretch = np.float32(count - 1) / np.float32(max(1, there - 1))
        places = stretch * frames.astype(np.float32)
        below = np.floor(places).astype(np.int64)
        share = torch.from_numpy(places - below.astype(np.float32))
        above = np.minimum(below + 1, count - 1)
        before, after = (
            states.index_select(-1, torch.from_numpy(at - start)) for at in (below, above)
        )
        return (before * (1 - share) + after * share).numpy()


def build_encoder(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], source: object
) -> Wav2Vec2:
    """A wav2vec 2.0 with these weights, in evaluation. Raises OtherWeights."""
    try:
        with empty_modules():
            model = Wav2Vec2(SpeechSizes.read(config))
    except Exception as odd:  # a configuration may be wrong in any way
        raise OtherWeights(source, f"its configuration: {first_line(odd)}") from odd
    load_exactly(model, bare_weights(weights), source)
    return model


def bare_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's own weights; direction and length of the positional convolution's (g and v, which newer files call originals 0 and 1) become one."""
    prefix = PREFIX if any(name.startswith(PREFIX) for name in weights) else ""
    bare = {
        name.removeprefix(prefix)
        .replace("parametrizations.weight.original0", "weight_g")
        .replace("parametrizations.weight.original1", "weight_v"): held
        for name, held in weights.items()
        if name.startswith(prefix) and name != prefix + MASK
    }
    length, direction = (bare.pop(f"{POSITIONAL}.weight_{each}", None) for each in "gv")
    if length is not None and direction is not None:
        whole = torch._weight_norm(direction.float(), length.float(), 2)
        bare[f"{POSITIONAL}.weight"] = whole.to(direction.dtype)
    return bare
