"""FramePack: what went before as few tokens, the older the coarser (arXiv 2504.12626)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from model.s2v.config import BUCKET_PATCHES
from model.s2v.rope import grid_positions, resample_positions

BUCKET_NAMES = {1: "proj", 2: "proj_2x", 16: "proj_4x"}


class FramePacker(nn.Module):
    """Motion latents to tokens, one convolution for each bucket; the newest bucket comes first.

    Where a side is no whole number of a bucket's tokens and the film is `edged`, the latents' right and lower edges go on as far as that bucket needs: what
    is packed and where it stands is then that of the larger film, of which this one is a part. Else what is left over is not packed.
    """

    def __init__(self, channels: int, dim: int, buckets: tuple[int, ...], *, edged: bool) -> None:
        super().__init__()
        self.buckets, self.edged = buckets, edged
        for bucket in self.buckets:
            size = BUCKET_PATCHES[bucket]
            self.add_module(BUCKET_NAMES[bucket], nn.Conv3d(channels, dim, size, size))

    def forward(self, motion: Tensor) -> Tensor:
        """Latents [b, c, t, h, w], oldest first → tokens [b, l, dim], newest bucket first; what is missing of sum(buckets) latents is zeros, long ago."""
        missing = max(0, sum(self.buckets) - motion.shape[2])
        motion = F.pad(motion, (0, 0, 0, 0, missing, 0)) if missing else motion
        tokens, end = [], motion.shape[2]
        for bucket in self.buckets:
            part = motion[:, :, end - bucket : end]
            part = extend_edges(part, BUCKET_PATCHES[bucket]) if self.edged else part
            packed = self.get_submodule(BUCKET_NAMES[bucket])(part)
            tokens.append(rearrange(packed, "b d t h w -> b (t h w) d"))
            end -= bucket
        return torch.cat(tokens, 1)

    def token_positions(self, rows: int, columns: int) -> Tensor:
        """Places [l, 3] of the tokens for a grid of rows × columns; times count back from -1."""
        places, newest = [], 0
        for bucket in self.buckets:
            ct, ch, cw = BUCKET_PATCHES[bucket]
            oldest = newest - bucket
            times = oldest + resample_positions(bucket, bucket // ct)
            places.append(
                grid_positions(times, self._coarse(rows, ch // 2), self._coarse(columns, cw // 2))
            )
            newest = oldest
        return torch.cat(places)

    def _coarse(self, size: int, unit: int) -> Tensor:
        """Whole places of tokens that are `unit` grid places wide each, over a grid of `size` and what is added to it."""
        count = -(-size // unit) if self.edged else size // unit
        return resample_positions(max(size, count * unit), count)


def extend_edges(latents: Tensor, cell: tuple[int, int, int]) -> Tensor:
    """Latents [b, c, t, h, w] with their right and lower edges repeated up to whole cells of (time, height, width)."""
    right, below = -latents.shape[4] % cell[2], -latents.shape[3] % cell[1]
    if right or below:
        return F.pad(latents, (0, right, 0, below, 0, 0), mode="replicate")
    return latents
