"""Wan2.1's VAE: its published file in diffusers' AutoencoderKLWan, an encoder and a decoder that stream, and the motion of wan-s2v.

Weights lie in diffusers' module; its encoder runs as it is, its decoder in a walk of our own. What layers remember of the past lies in a list that belongs
to each stream, never on the module, so any number of streams share one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import torch
from einops import rearrange
from torch import Tensor, nn

from model.vae.wan_decoder import WanDecoder
from model.vae.wan_layout import (
    STATISTICS,
    bare_names,
    decoder_memory,
    published_name,
    read_configuration,
)
from model.weights.state_file import load_exactly, read_tensors
from storage.errors import OtherWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    Statistics = tuple[Sequence[float], Sequence[float]]
    Module = Any  # diffusers is untyped, and so are the parts of its modules


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
    config = read_configuration({name: tuple(held.shape) for name, held in weights.items()}, path)
    mean, std = statistics or STATISTICS
    if config["z_dim"] != len(mean):
        raise OtherWeights(path, f"its latents have {config['z_dim']} channels, not {len(mean)}")
    module = build_vae(config | {"latents_mean": list(mean), "latents_std": list(std)})
    ours = {theirs: name for name, theirs in name_pairs(module.state_dict())}
    load_exactly(module, {ours.get(name, name): held for name, held in weights.items()}, path)
    nn.Module.to(module, device, dtype)
    return WanVAE(module)


def build_vae(config: Mapping[str, Any]) -> Module:
    """An AutoencoderKLWan without memory behind its weights."""
    from accelerate import init_empty_weights
    from diffusers import AutoencoderKLWan

    with init_empty_weights():
        return AutoencoderKLWan(**config)


def name_pairs(names: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each of AutoencoderKLWan's names with the published one."""
    level = "decoder.up_blocks.0.resnets."
    residuals = len({name.split(".")[4] for name in names if name.startswith(level)})
    return [(name, published_name(name, residuals)) for name in names]


class WanVAE:
    """An AutoencoderKLWan whose latents are normalised as Wan does it, in the precision of its weights (float32 or bfloat16)."""

    def __init__(self, module: Module) -> None:
        self.module = module.eval().requires_grad_(False)
        self._decoder = WanDecoder(module.decoder)
        self.dtype: torch.dtype = module.dtype
        self.device: torch.device = module.device
        config = module.config
        # In bfloat16 the reference keeps these constants, and the inverse spread, in bfloat16 too: the models have learnt with them.
        mean = torch.tensor(config.latents_mean, dtype=self.dtype, device=self.device)
        inverse = 1 / torch.tensor(config.latents_std, dtype=self.dtype, device=self.device)
        self._mean = rearrange(mean.float(), "c -> c 1 1 1")
        self._inverse = rearrange(inverse.float(), "c -> c 1 1 1")

    @property
    def memory(self) -> int:
        """Latent frames after which the decoder has forgotten everything."""
        return decoder_memory(self.module.config)

    @property
    def frames_per_latent(self) -> int:
        """Frames of every latent but a stream's first, which has one."""
        return 2 ** sum(self.module.config.temperal_downsample)

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """Normalised latents [b, c, 1 + k, h, w], float32, of frames [b, 3, 1 + 4k, y, x] in -1..1: the posterior's mode.

        Frames go through one latent at a time, so a span of any length needs the memory of one.
        """
        later, rest = divmod(frames.shape[2] - 1, self.frames_per_latent)
        assert rest == 0, f"{frames.shape[2]} frames are not one and whole latents"
        past = empty_feature_cache(self.module.encoder)
        spans = frames.split([1, *[self.frames_per_latent] * later], 2)
        return torch.cat([self._encode_latent(span, past) for span in spans], 2)

    def _encode_latent(self, frames: Tensor, past: list[Any]) -> Tensor:
        x = self.module.encoder(frames.to(self.device, self.dtype), feat_cache=past, feat_idx=[0])
        mode, _ = self.module.quant_conv(x).chunk(2, 1)
        return (mode.float() - self._mean) * self._inverse

    def decode_latent(self, latent: Tensor, past: list[Any]) -> Tensor:
        """Frames [b, 3, 4 (1 at the very first), y, x] in -1..1 of one normalised latent [b, c, 1, h, w]; `past` goes on to the next."""
        raw = latent.to(self.device).float() / self._inverse + self._mean
        z = self.module.post_quant_conv(raw.to(self.dtype))
        return self._decoder.decode(z, past)


def empty_feature_cache(part: nn.Module) -> list[Any]:
    """What an encoder or decoder remembers before its first frame: a free slot for each layer that may want one."""
    return [None for _ in part.modules()]


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
        self._past = empty_feature_cache(self._vae.module.decoder)
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
