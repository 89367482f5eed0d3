"""Keys and values of the last latent frames, at fixed addresses: nothing is concatenated, nothing moves."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

Bits = NDArray[np.uint16] | NDArray[np.float32]


@dataclass(frozen=True)
class RingShape:
    """Sizes of a ring: condition rows first, then `latents` frames of `tokens` rows each."""

    batch: int
    heads: int
    head_dim: int
    condition: int
    latents: int
    tokens: int

    @property
    def rows(self) -> int:
        """Of keys, and of values."""
        return self.condition + self.latents * self.tokens


def make_stage(shape: RingShape, like: Tensor) -> Tensor:
    """Memory on the device of `like` for one ring [2, b, head, rows, d]: those that live on the host are read through it, one after the other."""
    return like.new_empty(2, shape.batch, shape.heads, shape.rows, shape.head_dim)


class Ring:
    """One layer's memory at one denoising step.

    The condition (reference and motion) stands before the frames, so that one attention reads a single run of rows. A frame of time c stands in slot c mod
    `latents`: the oldest is overwritten.
    """

    def __init__(self, shape: RingShape, like: Tensor, stage: Tensor | None = None) -> None:
        """On the device of `like`; with a stage (see `make_stage`) on the host, and brought there to be read."""
        self.shape, self._stage = shape, stage
        size = (2, shape.batch, shape.heads, shape.rows, shape.head_dim)
        pinned = stage is not None and like.is_cuda
        home = like.device if stage is None else torch.device("cpu")
        memory = torch.zeros(size, dtype=like.dtype, device=home, pin_memory=pinned)
        self.keys, self.values = memory

    def set_condition(self, keys: Tensor, values: Tensor) -> None:
        """Replace the condition by rotated keys and values [b, l, head, d]."""
        self._write(slice(0, self.shape.condition), keys, values)

    def push(self, time: int, keys: Tensor, values: Tensor) -> None:
        """Write the frames from latent time `time` on: [b, (t n), head, d]; a block never straddles the ring's end."""
        self._write(self._rows(time, keys.shape[1] // self.shape.tokens), keys, values)

    def read(self, until: int) -> tuple[Tensor, Tensor]:
        """Keys and values [b, head, l, d] of the condition and of all frames before latent time `until`."""
        rows = self.shape.condition + min(until, self.shape.latents) * self.shape.tokens
        if self._stage is None:
            return self.keys[:, :, :rows], self.values[:, :, :rows]
        keys, values = self._stage[..., :rows, :]
        return keys.copy_(self.keys[:, :, :rows]), values.copy_(self.values[:, :, :rows])

    def save(self, until: int, count: int) -> Iterator[tuple[str, Bits]]:
        """The last `count` frames before latent time `until`, oldest first, as named copies [b, head, l, d]."""
        for name, rows in (("k", self.keys), ("v", self.values)):
            parts = [rows[:, :, self._rows(t, 1)] for t in range(until - count, until)]
            yield name, to_bits(torch.cat(parts, 2))

    def load(self, until: int, name: str, bits: Bits) -> None:
        """Take back what `save` gave under a name."""
        rows = self.keys if name == "k" else self.values
        frames = from_bits(bits).split(self.shape.tokens, 2)
        for time, frame in zip(range(until - len(frames), until), frames, strict=True):
            rows[:, :, self._rows(time, 1)] = frame.to(rows)

    def _rows(self, time: int, count: int) -> slice:
        start = self.shape.condition + (time % self.shape.latents) * self.shape.tokens
        return slice(start, start + count * self.shape.tokens)

    def _write(self, rows: slice, keys: Tensor, values: Tensor) -> None:
        self.keys[:, :, rows] = rearrange(keys, "b l n d -> b n l d")
        self.values[:, :, rows] = rearrange(values, "b l n d -> b n l d")


def to_bits(x: Tensor) -> Bits:
    """A copy as numpy: bf16 as uint16, float32 as it is."""
    x = x.detach().cpu()
    array: Bits = (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy().copy()
    return array


def from_bits(bits: Bits) -> Tensor:
    """What `to_bits` made, as a tensor again."""
    tensor = torch.from_numpy(np.ascontiguousarray(bits))
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor
