"""FramePack: what went before as few tokens, the older the coarser (arXiv 2504.12626)."""

import torch
from einops import rearrange
from torch import Tensor, nn

from model.rope import grid, resampled

COARSENESS = {1: (1, 2, 2), 2: (2, 4, 4), 16: (4, 8, 8)}
"""Latent frames in a bucket → latent pixels to a token in time, height, width."""
NAMES = {1: "proj", 2: "proj_2x", 16: "proj_4x"}


class FramePacker(nn.Module):
    """Motion latents to tokens, one convolution for each bucket; the newest bucket comes first."""

    def __init__(self, channels: int, dim: int, buckets: tuple[int, ...]) -> None:
        super().__init__()
        self.buckets = tuple(buckets)
        for bucket in self.buckets:
            size = COARSENESS[bucket]
            self.add_module(NAMES[bucket], nn.Conv3d(channels, dim, size, size))

    def forward(self, motion: Tensor) -> Tensor:
        """Latents [b, c, sum(buckets), h, w], oldest first → tokens [b, l, dim], newest bucket first."""
        tokens, end = [], motion.shape[2]
        for bucket in self.buckets:
            packed = self.get_submodule(NAMES[bucket])(motion[:, :, end - bucket : end])
            tokens.append(rearrange(packed, "b d t h w -> b (t h w) d"))
            end -= bucket
        return torch.cat(tokens, 1)

    def places(self, rows: int, columns: int) -> Tensor:
        """Places [l, 3] of the tokens for a grid of rows × columns; times count back from -1."""
        places, newest = [], 0
        for bucket in self.buckets:
            ct, ch, cw = COARSENESS[bucket]
            oldest = newest - bucket
            places.append(
                grid(
                    oldest + resampled(bucket, bucket // ct),
                    resampled(rows, rows * 2 // ch),
                    resampled(columns, columns * 2 // cw),
                )
            )
            newest = oldest
        return torch.cat(places)
