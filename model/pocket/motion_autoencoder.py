"""Pocket's motion autoencoder: latents say how the picture moves; the picture itself is moved.

    frame = (1 − mask) · warp(picture, flow) + mask · paint

after the idea of first-order motion models (arXiv 2003.00196) and LivePortrait (arXiv 2407.03168), as a streaming convolutional decoder. Identity holds by
construction: an eye in minute thirty is the eye of the picture, and only what the picture does not show (the inside of a mouth, a lid) is painted.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from safetensors.torch import load_file
from torch import Tensor, nn

from model.pocket.model_traits import MOTION_CONFIG, MOTION_FILE, WEIGHTS

FRAMES = 4
"""Frames of one latent."""
BOXES = 3
"""Mouth, left eye, right eye."""
FLOW_PIXELS = 32.0
"""Pixels of the canvas that a flow of 1 moves."""
CACHED_LATENTS = 2
"""Latents after which the decoder has forgotten everything: one through `slow`, one through `quick` and `fine`, which look back two frames."""
_MASK_BIAS = -2.0


@dataclass
class FeatureCache:
    """What the decoder keeps of a stream: the last frame that each TemporalResidual saw. Empty at the beginning."""

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


class PictureFeatures(NamedTuple):
    """What the decoder adds of the picture at each of its sizes: [b, c, y/16, x/16], [b, c, y/8, x/8], [b, c, y/4, x/4]. The same for a whole film."""

    coarse: Tensor
    middle: Tensor
    fine: Tensor


class MotionFields(NamedTuple):
    """How frames differ from the picture: flow [n, 2, y/2, x/2] (x, y; times FLOW_PIXELS of the canvas), paint [n, 3, y, x] in about -1..1 and mask [n, 1, y, x] in 0..1."""

    flow: Tensor
    paint: Tensor
    mask: Tensor


class MotionAutoencoder(nn.Module):
    """Pictures in -1..1 with planes of their boxes, and motion latents of about zero mean and unit spread."""

    def __init__(
        self,
        *,
        latent_channels: int = 16,
        widths: tuple[int, int, int] = (64, 64, 96),
        latents_mean: Sequence[float] = (),
        latents_std: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.latents_mean, self.latents_std = latents_mean, latents_std
        w1, w2, w3 = widths
        told = 3 + BOXES
        self.look_fine = nn.Sequential(
            nn.PixelUnshuffle(4), scaled_conv(16 * told, w1), Residual(w1)
        )
        self.look_middle = nn.Sequential(scaled_conv(w1, w2, 3, 2), Residual(w2))
        self.look_coarse = nn.Sequential(scaled_conv(w2, w3, 3, 2), Residual(w3), Residual(w3))
        self.add_coarse, self.add_middle, self.add_fine = (
            scaled_conv(w3, w3),
            scaled_conv(w2, w2),
            scaled_conv(w1, w1),
        )
        self.shrink = nn.Sequential(
            nn.PixelUnshuffle(2), scaled_conv(4 * (told + 3), 48), Residual(48), scaled_conv(48, 64, 3, 2), Residual(64),
            scaled_conv(64, w3, 3, 2), Residual(w3), scaled_conv(w3, w3, 3, 2), Residual(w3),
        )  # fmt: skip
        self.merge = nn.Sequential(
            scaled_conv(FRAMES * w3, 128, 1), Residual(128), scaled_conv(128, 2 * latent_channels)
        )
        self.open = scaled_conv(latent_channels, w3)
        self.slow, self.settle = TemporalResidual(w3), Residual(w3)
        self.split = scaled_conv(w3, FRAMES * w3, 1)
        self.quick, self.shape = TemporalResidual(w3), Residual(w3)
        self.grow = scaled_conv(w3, w2)
        self.fine, self.trim = TemporalResidual(w2), Residual(w2)
        self.enlarge = nn.Sequential(scaled_conv(w2, 4 * w1), nn.PixelShuffle(2))
        self.last = nn.Sequential(scaled_conv(w1, w1), Residual(w1), nn.ReLU(True))
        self.fields_out = scaled_conv(w1, 2 * 4 + 4 * 16)
        with torch.no_grad():
            self.fields_out.weight[:8].zero_()

    def look(self, picture: Tensor, planes: Tensor) -> PictureFeatures:
        """Features of pictures [b, 3, y, x] in -1..1 whose boxes are told by planes [b, BOXES, y, x]."""
        fine = self.look_fine(torch.cat([picture, planes], 1))
        middle = self.look_middle(fine)
        coarse = self.look_coarse(middle)
        return PictureFeatures(
            self.add_coarse(coarse), self.add_middle(middle), self.add_fine(fine)
        )

    def posterior(self, picture: Tensor, planes: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance [b, c, k, h, w] of frames [b, 3, 4k, y, x] of the picture; every four frames by themselves."""
        b, _, t = frames.shape[:3]
        told = torch.cat([picture, planes], 1)[:, :, None].expand(-1, -1, t, -1, -1)
        x = self.shrink(rearrange(torch.cat([told, frames], 1), "b c t y x -> (b t) c y x"))
        x = self.merge(rearrange(x, "(n f) c h w -> n (f c) h w", f=FRAMES))
        mean, spread = rearrange(x, "(b k) c h w -> b c k h w", b=b).chunk(2, 1)
        return mean, spread.clamp(-20, 10)

    def fields(self, features: PictureFeatures, raw: Tensor, past: FeatureCache) -> MotionFields:
        """The fields of the 4k frames [(b 4k), …], float32, of latents [b, c, k, h, w] as they are before normalisation."""
        k = raw.shape[2]
        x = add_picture(self.open(rearrange(raw, "b c k h w -> (b k) c h w")), features.coarse)
        x = self.settle(self.slow(x, k, past))
        x = rearrange(self.split(x), "n (f c) h w -> (n f) c h w", f=FRAMES)
        x = self.shape(self.quick(x, FRAMES * k, past))
        x = self.grow(F.interpolate(x, scale_factor=2, mode="nearest"))
        x = self.trim(self.fine(add_picture(x, features.middle), FRAMES * k, past))
        x = self.fields_out(self.last(add_picture(self.enlarge(x), features.fine))).float()
        paint = F.pixel_shuffle(x[:, 8:], 4)
        return MotionFields(
            F.pixel_shuffle(x[:, :8], 2), paint[:, :3], torch.sigmoid(paint[:, 3:] + _MASK_BIAS)
        )

    def encode(self, picture: Tensor, planes: Tensor, frames: Tensor) -> Tensor:
        """Normalised latents [b, c, k, h, w], float32, of frames [b, 3, 4k, y, x] of pictures [b, 3, y, x], all in -1..1."""
        mean, std = self.scale()
        kept = self.open.weight.dtype
        seen = self.posterior(picture.to(kept), planes.to(kept), frames.to(kept))
        return (seen[0].float() - mean) / std

    def scale(self) -> tuple[Tensor, Tensor]:
        """Mean and spread [c, 1, 1, 1] of the raw latents."""
        return tuple(  # type: ignore[return-value]
            torch.tensor(v, device=self.open.weight.device).view(-1, 1, 1, 1)
            for v in (self.latents_mean, self.latents_std)
        )


def add_picture(x: Tensor, features: Tensor) -> Tensor:
    """Frames [(b t), c, h, w] with the features [b, c, h, w] of their pictures."""
    return (x.unflatten(0, (len(features), -1)) + features[:, None]).flatten(0, 1)


def box_planes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Where boxes are, as planes [n, k, height, width]: a hill on each box [n, k, 4] (centre x, y and half sizes in half canvases), 0.6 at the middle of its sides."""
    x = (torch.arange(width, device=boxes.device) + 0.5) * (2 / width) - 1
    y = (torch.arange(height, device=boxes.device) + 0.5) * (2 / height) - 1
    cx, cy, wide, high = boxes[..., None, None].unbind(2)
    across, down = (x - cx) / wide.clamp(min=1e-3), (y[:, None] - cy) / high.clamp(min=1e-3)
    return torch.exp(-0.5 * (across.square() + down.square()))


def warp_picture(picture: Tensor, flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures [n, 3, Y, X] moved by flows [n, 2, …] that cover them, FLOW_PIXELS to 1 of a canvas of `size` (height, width): frames [n, 3, height, width], float32."""
    height, width = size
    moved = F.interpolate(flow, size=size, mode="bilinear", align_corners=False)
    grid = identity_grid(height, width, flow.device)
    unit = flow.new_tensor([2 * FLOW_PIXELS / width, 2 * FLOW_PIXELS / height])
    grid = grid + rearrange(moved, "n c y x -> n y x c") * unit
    return F.grid_sample(picture.float(), grid, padding_mode="border", align_corners=False)


def identity_grid(height: int, width: int, device: torch.device | str) -> Tensor:
    """Where each pixel's centre is [height, width, (x, y)], in -1..1."""
    x = (torch.arange(width, device=device) + 0.5) * (2 / width) - 1
    y = (torch.arange(height, device=device) + 0.5) * (2 / height) - 1
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def blend_frames(picture: Tensor, fields: MotionFields) -> Tensor:
    """Frames [(b t), 3, y, x] of pictures [b, 3, y, x] on the canvas; what the decoder is trained with."""
    frames = len(fields.flow) // len(picture)
    many = picture[:, None].expand(-1, frames, -1, -1, -1).flatten(0, 1)
    moved = warp_picture(many, fields.flow, (picture.shape[-2], picture.shape[-1]))
    return torch.lerp(moved, fields.paint, fields.mask)


def load_motion_autoencoder(folder: Path = WEIGHTS) -> MotionAutoencoder:
    """The autoencoder whose weights and configuration lie in a folder, in float32, channels last, to be evaluated."""
    config = json.loads((folder / MOTION_CONFIG).read_text(encoding="utf-8"))
    autoencoder = MotionAutoencoder(**config)
    autoencoder.load_state_dict(load_file(folder / MOTION_FILE))
    return autoencoder.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub lacks memory_format
