"""Wan2.1's VAE: its published file, an encoder and a decoder that stream, and the motion of wan-s2v.

What layers remember of the past belongs to each stream and is never on the modules, so any number of streams share one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor

from model.device.priority_stream import PriorityStream
from model.vae.wan_decoder import WanDecoder
from model.vae.wan_layout import STATISTICS, VAELayout, bare_names, decoder_memory, read_layout
from model.vae.wan_modules import WanVAEModules
from model.weights.empty_modules import empty_modules
from model.weights.state_file import load_exactly, read_tensors
from storage.errors import OtherWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from model.vae.wan_modules import FeatureCache

    Statistics = tuple[Sequence[float], Sequence[float]]


def load_vae(
    path: Path,
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
    statistics: Statistics | None = None,
) -> WanVAE:
    """The VAE in a published file, of whatever size its tensors say.

    `statistics` (mean and spread of each latent channel) are the published ones where nothing is given.
    Raises WeightsMissing, WeightsDamaged, OtherWeights.
    """
    told = bare_names(read_tensors(path))
    weights = {name: held for name, held in told.items() if isinstance(held, Tensor)}
    layout = read_layout({name: tuple(held.shape) for name, held in weights.items()}, path)
    given, channels = statistics or STATISTICS, layout.latent_channels
    if channels != len(given[0]):
        raise OtherWeights(path, f"its latents have {channels} channels, not {len(given[0])}")
    modules = build_modules(layout)
    load_exactly(modules, weights, path)
    return WanVAE(modules.to(device, dtype), given)


def build_modules(layout: VAELayout) -> WanVAEModules:
    """Its layers, without memory behind their weights."""
    with empty_modules():
        return WanVAEModules(layout)


class WanVAE:
    """Its layers, with latents that are normalised as Wan does it, in the precision of their weights (float32 or bfloat16)."""

    def __init__(self, modules: WanVAEModules, statistics: Statistics = STATISTICS) -> None:
        self.modules = modules.eval().requires_grad_(requires_grad=False)
        self._layout = modules.layout
        self._decoder = WanDecoder(modules.decoder)
        weight = modules.conv1.weight
        self.dtype, self.device = weight.dtype, weight.device
        # In bfloat16 the reference keeps these constants, and the inverse spread, in bfloat16 too: the models have learnt with them.
        mean, std = (
            torch.tensor(list(each), dtype=self.dtype, device=self.device) for each in statistics
        )
        self._mean = rearrange(mean.float(), "c -> c 1 1 1")
        self._inverse = rearrange((1 / std).float(), "c -> c 1 1 1")
        # Made here, while nothing long has been asked of the card: it waits for all weights, and for nothing else.
        self.beside = PriorityStream(self.device)

    @property
    def memory(self) -> int:
        """Latent frames after which the decoder has forgotten everything."""
        return decoder_memory(self._layout)

    @property
    def frames_per_latent(self) -> int:
        """Frames of every latent but a stream's first, which has one."""
        return self._layout.frames_per_latent

    def use_kernel_always(self) -> None:
        """Decode pictures of any size as large ones are: a probe is small."""
        self._decoder.use_kernel_always()

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """Normalised latents [b, c, 1 + k, h, w], float32, of frames [b, 3, 1 + 4k, y, x] in -1..1: the posterior's mode.

        Frames go through one latent at a time, so a span of any length needs the memory of one.
        """
        later, rest = divmod(frames.shape[2] - 1, self.frames_per_latent)
        assert rest == 0, f"{frames.shape[2]} frames are not one and whole latents"
        past: FeatureCache = {}
        spans = frames.split([1, *[self.frames_per_latent] * later], 2)
        return torch.cat([self._encode_latent(span, past) for span in spans], 2)

    def _encode_latent(self, frames: Tensor, past: FeatureCache) -> Tensor:
        x = self.modules.encoder(frames.to(self.device, self.dtype), past)
        mode, _ = self.modules.conv1(x).chunk(2, 1)
        return (mode.float() - self._mean) * self._inverse

    def decode_latent(self, latent: Tensor, past: FeatureCache) -> Tensor:
        """Frames [b, 3, 4 (1 at the very first), y, x] in -1..1 of one normalised latent [b, c, 1, h, w]; `past` goes on to the next."""
        raw = latent.to(self.device).float() / self._inverse + self._mean
        z = self.modules.conv2(raw.to(self.dtype))
        return self._decoder.decode(z, past)


class WanFrameStream:
    """Latents into frames without end, one latent at a time, so that frames never depend on how latents were cut.

    With a primer (latents [b, c, p, h, w] whose frames nobody sees) every latent has four frames; without, the very first has one. LiveAvatar's stream is
    primed with the picture's latents once. Wan-S2V decodes each clip with a stream of its own, primed with the clip's motion latents (clip 0: the
    picture's latent): the frames that its code keeps of [motion | clip].
    After an exception the past is undefined: `seek` or `reset`.
    """

    def __init__(self, vae: WanVAE, primer: Tensor | None = None) -> None:
        self._vae, self._primer = vae, primer
        self.reset()

    def reset(self) -> None:
        """Stand before the first latent."""
        self._past: FeatureCache = {}
        self._due = self._primer

    def seek(self, preceding: Tensor) -> None:
        """Stand behind the latents [b, c, k, h, w] that precede the next: all there are, or at least the last `memory`."""
        self.reset()
        if preceding.shape[2] >= self._vae.memory:
            self._due = None  # forgotten by now
        self._pass(preceding)

    @torch.inference_mode()
    def push(self, latents: Tensor) -> Tensor:
        """The frames [b, 3, 4k, y, x] in -1..1, in the VAE's precision, of the next normalised latents [b, c, k, h, w]."""
        self._prime()
        frames = [self._vae.decode_latent(one, self._past) for one in latents.split(1, 2)]
        return torch.cat(frames, 2)

    def _prime(self) -> None:
        if self._due is not None:
            due, self._due = self._due, None
            self._pass(due)

    @torch.inference_mode()
    def _pass(self, latents: Tensor) -> None:
        """Decode latents and let their frames go, one latent after the other."""
        if latents.shape[2]:
            self._prime()
            for one in latents.split(1, 2):
                self._vae.decode_latent(one, self._past)


def decode_clip(vae: WanVAE, before: Tensor, latents: Tensor) -> Iterator[Tensor]:
    """The frames [b, 3, 4, y, x] of each latent of a clip [b, c, k, h, w], decoded alone behind the latents `before` it, as Wan-S2V does."""
    stream = WanFrameStream(vae, before)
    for latent in latents.split(1, 2):
        yield stream.push(latent)


class MotionWindow:
    """The film's last frames as they were decoded, never rounded to bytes; Wan-S2V's next clip begins from their latents."""

    def __init__(self, vae: WanVAE, frames: Tensor) -> None:
        """Frames [b, 3, 1 + 4k, y, x]: as many as are kept, and what is in them before there is a film."""
        self._vae = vae
        self._frames = deque(frames.unbind(2), maxlen=frames.shape[2])

    def extend(self, frames: Tensor) -> None:
        """Take in the next frames [b, 3, t, y, x]; the oldest go."""
        self._frames.extend(frames.unbind(2))

    def latents(self) -> Tensor:
        """Motion latents [b, c, 1 + k, h, w], normalised: 19 of the published 73 frames."""
        return self._vae.encode(torch.stack(tuple(self._frames), 2))
