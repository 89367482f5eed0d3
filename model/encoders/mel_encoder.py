"""Speech encoders: what a film's sound is to the transformer, one interface for pocket's own, here, and for wav2vec 2.0 (model/encoders/wav2vec2.py).

An encoder turns sound into the hidden states of several of its layers, [b, layer, channel, frame] at the film's frame rate.
"""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from model.encoders import log_mel

CONTEXT_FRAMES = 16
"""Frames of sound on either side of a clip that decide its features; the encoder's reach is 15.4."""


class Residual(nn.Module):
    """A residual block in time over [b, c, t]: depthwise convolution, norm, and a narrow MLP."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.time = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.grow, self.shrink = (
            nn.Linear(channels, 2 * channels),
            nn.Linear(2 * channels, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, t] → [b, c, t]."""
        h = self.norm(rearrange(self.time(x), "b c t -> b t c"))
        h = self.shrink(nn.functional.gelu(self.grow(h), approximate="tanh"))
        return x + rearrange(h, "b t c -> b c t")


class MelEncoder(nn.Module):
    """Log-mel at 100 Hz to features at 25 frames a second; hears CONTEXT frames to either side."""

    def __init__(
        self, *, bands: int = 80, channels: int = 192, depth: int = 7, layers: int = 3
    ) -> None:
        super().__init__()
        self.front: Any = nn.Sequential(
            nn.Conv1d(bands, channels, 5, padding=2),
            nn.GELU(approximate="tanh"),
            nn.Conv1d(channels, channels, 4, 2, padding=1),
            nn.GELU(approximate="tanh"),
            nn.Conv1d(channels, channels, 4, 2, padding=1),
        )
        self.blocks = nn.ModuleList([Residual(channels, 5) for _ in range(depth)])
        self.kept = [round((i + 1) * depth / layers) - 1 for i in range(layers)]

    def forward(self, bands: Tensor) -> Tensor:
        """Log-mel [b, band, 4·frame] to [b, layer, channel, frame]; CONTEXT frames at either end hear padding."""
        x, states = self.front(bands), []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.kept:
                states.append(x)
        return torch.stack(states, 1)

    def hear(self, sound: Tensor) -> Tensor:
        """Sound [b, samples] of a span, with CONTEXT_FRAMES and log_mel.MARGIN samples on both sides, to the span's features, float32."""
        bands = log_mel.log_mel(sound).to(self.front[0].weight)
        return self(bands)[..., CONTEXT_FRAMES:-CONTEXT_FRAMES].float()
