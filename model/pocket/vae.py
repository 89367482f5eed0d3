"""Pocket's VAE: four frames of 16 × 16 pixels to one latent pixel, and a decoder that streams with a memory of two latents.

Residual convolutions without norms (the shape of TAESD and TAEHV, github.com/madebyollin/taehv), mostly in two dimensions: they learn in minutes and run in
milliseconds. Time enters where frames are merged, where they are split again, and in Memory.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from safetensors.torch import load_file
from torch import Tensor, nn

from model.pocket.model_traits import VAE_CONFIG, VAE_FILE, WEIGHTS

FRAMES = 4
"""Frames of one latent."""


@dataclass
class FeatureCache:
    """What the decoder keeps of a stream: the last frame that each Memory saw. Empty at the beginning."""

    kept: dict[nn.Module, Tensor] = field(default_factory=dict)

    def previous_frames(self, layer: nn.Module, x: Tensor) -> Tensor:
        """For each frame of x [b, t, c, h, w] the one before it; zeros before the very first."""
        first = self.kept.get(layer)
        first = torch.zeros_like(x[:, :1]) if first is None else first
        self.kept[layer] = x[:, -1:].clone()
        return torch.cat([first, x[:, :-1]], 1)


class Residual(nn.Module):
    """Two convolutions beside a skip; begins as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = scaled_conv(width, width), scaled_conv(width, width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[n, c, h, w] → [n, c, h, w]."""
        return self.second(F.relu_(self.first(F.relu(x)))).add_(x)


class TemporalResidual(nn.Module):
    """A residual that also sees the frame before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = scaled_conv(2 * width, width), scaled_conv(width, width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, t: int, past: FeatureCache) -> Tensor:
        """[(b t), c, h, w] → [(b t), c, h, w]."""
        before = past.previous_frames(self, x.unflatten(0, (-1, t))).flatten(0, 1)
        return self.second(F.relu_(self.first(F.relu_(torch.cat([x, before], 1))))).add_(x)


def scaled_conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the scale of what it sees."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class PocketVAE(nn.Module):
    """Pictures in -1..1 and latents of about zero mean and unit spread."""

    def __init__(
        self,
        *,
        latent_channels: int = 16,
        widths: tuple[int, ...] = (32, 64, 80, 96),
        latents_mean: Sequence[float] = (),
        latents_std: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.latents_mean, self.latents_std = latents_mean, latents_std
        w1, w2, w3, w4 = widths
        self.shrink = nn.Sequential(
            nn.PixelUnshuffle(2), scaled_conv(12, w1), Residual(w1),
            scaled_conv(w1, w2, 3, 2), Residual(w2), scaled_conv(w2, w3, 3, 2), Residual(w3), scaled_conv(w3, w4, 3, 2), Residual(w4),
        )  # fmt: skip
        self.merge = nn.Sequential(
            scaled_conv(FRAMES * w4, 128, 1), Residual(128), scaled_conv(128, 2 * latent_channels)
        )
        self.open = scaled_conv(latent_channels, w4)
        self.slow, self.settle = TemporalResidual(w4), Residual(w4)
        self.split = scaled_conv(w4, FRAMES * w4, 1)
        self.quick, self.shape = TemporalResidual(w4), Residual(w4)
        self.grow = scaled_conv(w4, w3)
        self.fine, self.trim = TemporalResidual(w3), Residual(w3)
        self.enlarge = nn.Sequential(
            scaled_conv(w3, 4 * w2), nn.PixelShuffle(2), Residual(w2),
            scaled_conv(w2, 4 * w1), nn.PixelShuffle(2), nn.ReLU(True),
            scaled_conv(w1, w1), nn.ReLU(True), scaled_conv(w1, 12), nn.PixelShuffle(2),
        )  # fmt: skip

    def posterior(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance [b, c, k, h, w] of frames [b, 3, 4k, y, x]; every four frames by themselves."""
        b = frames.shape[0]
        x = self.shrink(rearrange(frames, "b c t y x -> (b t) c y x"))
        x = self.merge(rearrange(x, "(n f) c h w -> n (f c) h w", f=FRAMES))
        mean, spread = rearrange(x, "(b k) c h w -> b c k h w", b=b).chunk(2, 1)
        return mean, spread.clamp(-20, 10)

    def frames(self, raw: Tensor, past: FeatureCache) -> Tensor:
        """Frames [b, 3, 4k, y, x], not clamped, of latents [b, c, k, h, w] as they are before normalisation."""
        b, _, k = raw.shape[:3]
        x = self.open(rearrange(raw, "b c k h w -> (b k) c h w"))
        x = self.settle(self.slow(x, k, past))
        x = rearrange(self.split(x), "n (f c) h w -> (n f) c h w", f=FRAMES)
        x = self.shape(self.quick(x, FRAMES * k, past))
        x = self.grow(F.interpolate(x, scale_factor=2, mode="nearest"))
        x = self.enlarge(self.trim(self.fine(x, FRAMES * k, past)))
        return rearrange(x, "(b t) c y x -> b c t y x", b=b)

    def encode(self, frames: Tensor) -> Tensor:
        """Normalised latents [b, c, k, h, w], float32, of frames [b, 3, 4k, y, x] in -1..1."""
        mean, std = self.scale()
        return (self.posterior(frames.to(self.open.weight.dtype))[0].float() - mean) / std

    def scale(self) -> tuple[Tensor, Tensor]:
        """Mean and spread [c, 1, 1, 1] of the raw latents."""
        return tuple(  # type: ignore[return-value]
            torch.tensor(v, device=self.open.weight.device).view(-1, 1, 1, 1)
            for v in (self.latents_mean, self.latents_std)
        )


def load_vae(folder: Path = WEIGHTS) -> PocketVAE:
    """The VAE whose weights and configuration lie in a folder, in float32, channels last, to be evaluated."""
    vae = PocketVAE(**json.loads((folder / VAE_CONFIG).read_text(encoding="utf-8")))
    vae.load_state_dict(load_file(folder / VAE_FILE))
    return vae.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub lacks memory_format


CACHED_LATENTS = 2
"""Latents after which the decoder has forgotten everything: one through `slow`, one through `quick` and `fine`, which look back two frames."""


class FrameStream:
    """Latents into frames without end, one latent at a time, so that frames never depend on how latents were cut."""

    def __init__(self, vae: PocketVAE) -> None:
        self._vae, self._past = vae, FeatureCache()
        self._mean, self._std = vae.scale()

    def reset(self) -> None:
        """Forget everything."""
        self._past = FeatureCache()

    @torch.inference_mode()
    def push(self, latents: Tensor) -> Tensor:
        """The four frames [b, 3, 4k, y, x] in -1..1 of each of the next normalised latents [b, c, k, h, w]."""
        raw = (latents.float() * self._std + self._mean).to(self._vae.open.weight.dtype)
        return torch.cat([self._vae.frames(one, self._past) for one in raw.split(1, 2)], 2).clamp_(
            -1, 1
        )
