"""The layers of Wan2.1's VAE, under the names of its published file (github.com/Wan-Video/Wan2.1, wan/modules/vae.py), and its encoder.

Modules hold weights; of the decoder's that is all, as it is run by a walk of its own (model/vae/wan_decoder.py). Nothing is remembered on a module:
what layers have seen lies in a FeatureCache that belongs to each stream. diffusers' AutoencoderKLWan has the same numbers (tests/model/vae), and eight
seconds of imports behind it where a file system is slow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from model.vae.wan_layout import CACHED_FRAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.vae.wan_layout import VAELayout

FeatureCache = dict[object, Tensor]
"""What each layer that looks back has seen last, by layer; empty before a stream's first frame."""


class CausalConv(nn.Conv3d):
    """A convolution [b, c, t, y, x] of 3 in each direction, whose frames see the two before them and none that come later."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(channels, out, 3, padding=(0, 1, 1))

    def forward(self, x: Tensor, past: FeatureCache) -> Tensor:  # type: ignore[override] # one more than a stock one is given
        """As many frames; what is remembered is brought up to date."""
        before = past.get(self)
        if before is None:
            before = torch.zeros_like(x[:, :, :1]).repeat(1, 1, CACHED_FRAMES, 1, 1)
        span = torch.cat([before, x], 2)
        past[self] = span[:, :, -CACHED_FRAMES:].clone()  # a view would hold the whole
        return super().forward(span)


class RMSNorm(nn.Module):
    """Channels [b, c, …] of length √c, times gamma; the length is taken in float32 at least."""

    def __init__(self, channels: int, dimensions: int = 3) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, *[1] * dimensions))

    def forward(self, x: Tensor) -> Tensor:
        """Normalized, of the same shape as x."""
        wide = x if x.dtype == torch.float64 else x.float()
        return F.normalize(wide, dim=1).to(x.dtype) * x.shape[1] ** 0.5 * self.gamma


class ResidualBlock(nn.Module):
    """Two convolutions, each behind a norm and a SiLU, and what goes around them."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            RMSNorm(channels),
            nn.SiLU(),
            CausalConv(channels, out),
            RMSNorm(out),
            nn.SiLU(),
            nn.Identity(),  # a dropout, where it was trained
            CausalConv(out, out),
        )
        self.shortcut = nn.Identity() if channels == out else nn.Conv3d(channels, out, 1)

    def forward(self, x: Tensor, past: FeatureCache) -> Tensor:
        """[b, c, t, h, w] → [b, o, t, h, w]."""
        return run_layers(self.residual, x, past) + self.shortcut(x)


class Attention(nn.Module):
    """Each frame's pixels attend to each other, in one head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = RMSNorm(channels, 2)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, t, h, w] → the same."""
        images = rearrange(x, "b c t h w -> (b t) c h w")
        b, _, t, h, _ = x.shape
        qkv = self.to_qkv(self.norm(images))
        q, k, v = rearrange(qkv, "n (three c) h w -> three n 1 (h w) c", three=3).contiguous()
        seen = F.scaled_dot_product_attention(q, k, v)
        images = self.proj(rearrange(seen, "n 1 (h w) c -> n c h w", h=h))
        return x + rearrange(images, "(b t) c h w -> b c t h w", b=b, t=t)


class Downsample(nn.Module):
    """Half as high and wide and, with `time_conv`, half as many frames."""

    def __init__(self, channels: int, *, in_time: bool) -> None:
        super().__init__()
        conv = nn.Conv2d(channels, channels, 3, stride=2)
        self.resample = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), conv)
        if in_time:
            self.time_conv = nn.Conv3d(channels, channels, (3, 1, 1), stride=(2, 1, 1))

    def forward(self, x: Tensor, past: FeatureCache) -> Tensor:
        """[b, c, t, y, x] → [b, c, t / 2, y / 2, x / 2]; a stream's first frame goes by itself."""
        images = self.resample(rearrange(x, "b c t h w -> (b t) c h w"))
        x = rearrange(images, "(b t) c h w -> b c t h w", t=x.shape[2])
        if not hasattr(self, "time_conv"):
            return x
        before, past[self] = past.get(self), x[:, :, -1:].clone()
        return x if before is None else self.time_conv(torch.cat([before, x], 2))


class Upsample(nn.Module):
    """The weights of the decoder's way back."""

    def __init__(self, channels: int, *, in_time: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(
            nn.Identity(), nn.Conv2d(channels, channels // 2, 3, padding=1)
        )
        if in_time:
            self.time_conv = nn.Conv3d(channels, 2 * channels, (3, 1, 1))


class Encoder(nn.Module):
    """Frames into moments of latents."""

    def __init__(self, layout: VAELayout) -> None:
        super().__init__()
        inner = layout.widths[-1]
        self.conv1 = CausalConv(layout.channels, layout.widths[0])
        self.downsamples = nn.Sequential(*_downsamples(layout))
        self.middle = _middle(inner)
        self.head = _head(inner, 2 * layout.latent_channels)

    def forward(self, frames: Tensor, past: FeatureCache) -> Tensor:
        """A stream's first frame, or those of one latent [b, 3, t, y, x] → its moments [b, 2 c, 1, h, w]."""
        x = self.conv1(frames, past)
        for part in (self.downsamples, self.middle, self.head):
            x = run_layers(part, x, past)
        return x


class Decoder(nn.Module):
    """The weights of the way back."""

    def __init__(self, layout: VAELayout) -> None:
        super().__init__()
        inner = layout.widths[-1]
        self.conv1 = CausalConv(layout.latent_channels, inner)
        self.middle = _middle(inner)
        self.upsamples = nn.Sequential(*_upsamples(layout))
        self.head = _head(layout.widths[0], layout.channels)


class WanVAEModules(nn.Module):
    """All weights of the published file."""

    def __init__(self, layout: VAELayout) -> None:
        super().__init__()
        latent = layout.latent_channels
        self.layout = layout
        self.encoder, self.decoder = Encoder(layout), Decoder(layout)
        self.conv1 = nn.Conv3d(2 * latent, 2 * latent, 1)
        self.conv2 = nn.Conv3d(latent, latent, 1)


def run_layers(layers: nn.Sequential, x: Tensor, past: FeatureCache) -> Tensor:
    """One after the other, those that look back with what they have seen."""
    for layer in layers:
        looks_back = isinstance(layer, CausalConv | ResidualBlock | Downsample)
        x = layer(x, past) if looks_back else layer(x)
    return x


def _middle(width: int) -> nn.Sequential:
    return nn.Sequential(ResidualBlock(width, width), Attention(width), ResidualBlock(width, width))


def _head(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(RMSNorm(width), nn.SiLU(), CausalConv(width, out))


def _downsamples(layout: VAELayout) -> Iterator[nn.Module]:
    before = layout.widths[0]
    for level, width in enumerate(layout.widths):
        for _ in range(layout.residuals):
            yield ResidualBlock(before, width)
            before = width
        if level < len(layout.in_time):
            yield Downsample(width, in_time=layout.in_time[level])


def _upsamples(layout: VAELayout) -> Iterator[nn.Module]:
    before, doublings = layout.widths[-1], layout.in_time[::-1]
    for level, width in enumerate(layout.widths[::-1]):
        for _ in range(layout.residuals + 1):
            yield ResidualBlock(before, width)
            before = width
        if level < len(doublings):
            yield Upsample(width, in_time=doublings[level])
            before = width // 2
