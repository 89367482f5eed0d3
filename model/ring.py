"""What each layer remembers of the last latents, at each step, and the window through which attention looks at it.

A block sees `latents` frames, of which it is itself the last: only those before it are remembered, in slots of a block each. The window is one for all layers
and steps and is filled anew for each: the condition, the block itself, what is remembered. So memory is as large as what must not be forgotten, wherever it lies.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from model.attention import attend_heads
from model.courier import Courier, HostMemory
from model.fused import fused
from model.packing import Packed, pack, unpack
from model.rope import rotate

Bits = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
SCALE = torch.float32


@dataclass(frozen=True)
class RingShape:
    """Sizes of what a block looks at: rows of the condition, and `latents` frames of `tokens` rows, `block` of them its own."""

    batch: int
    heads: int
    head_dim: int
    condition: int
    latents: int
    block: int
    tokens: int

    @property
    def own(self) -> int:
        """Rows of a block."""
        return self.block * self.tokens

    @property
    def slots(self) -> int:
        """Blocks that are remembered."""
        return self.latents // self.block - 1

    @property
    def rows(self) -> int:
        """Rows of the window."""
        return self.condition + self.latents * self.tokens


@dataclass(frozen=True)
class Remembering:
    """How keys and values are remembered."""

    eight: bool = False
    """In eight bits."""
    on_host: bool = False


@dataclass(frozen=True)
class Place:
    """Where a block stands: its first latent's time, its rotary factors, and those of the condition as it is seen from there."""

    start: int
    own: Tensor
    condition: Tensor


class Ring:
    """One layer's memory at one step: bytes, a slot for each block, keys and values in each. A block of time t lies in slot t / block: the oldest is overwritten."""

    def __init__(self, shape: RingShape, dtype: torch.dtype, home: Tensor, *, eight: bool) -> None:
        self.shape, self.dtype, self.home, self.eight = shape, dtype, home, eight

    def read(self, there: Tensor) -> Packed:
        """Keys and values [slot, 2, b, l, head, d] in bytes that lie at home or were brought from there."""
        shape = self.shape
        sizes = (shape.slots, 2, shape.batch, shape.own, shape.heads)
        slots = there.view(shape.slots, -1)
        if not self.eight:
            return Packed(slots.view(self.dtype).view(*sizes, shape.head_dim), None)
        codes = slot_codes(shape)
        return Packed(
            slots[:, :codes].view(torch.int8).view(*sizes, shape.head_dim),
            slots[:, codes:].view(SCALE).view(*sizes, 1),
        )

    def slot(self, start: int) -> Tensor:
        """The bytes of the block that begins at a latent time."""
        return self.home.view(self.shape.slots, -1)[start // self.shape.block % self.shape.slots]


def slot_codes(shape: RingShape) -> int:
    """Numbers of a slot."""
    return 2 * shape.batch * shape.heads * shape.own * shape.head_dim


def ring_bytes(shape: RingShape, dtype: torch.dtype, *, eight: bool) -> int:
    """Of one layer at one step."""
    codes = slot_codes(shape)
    scales = codes // shape.head_dim * SCALE.itemsize
    return shape.slots * (codes + scales if eight else codes * dtype.itemsize)


class Memory:
    """The rings of all steps and layers, the condition of every layer, and the window."""

    def __init__(
        self, shape: RingShape, like: Tensor, steps: int, layers: int, how: Remembering
    ) -> None:
        """Where `like` is, in its precision; rings may wait on the host."""
        self.shape, self._how, self._layers = shape, how, layers
        self._window = like.new_zeros(2, shape.batch, shape.heads, shape.rows, shape.head_dim)
        size = ring_bytes(shape, like.dtype, eight=how.eight)
        self._courier = Courier(size, like.device) if how.on_host else None
        self._host = HostMemory(steps * layers * size, like.device) if how.on_host else None
        homes = (
            self._host.bytes.view(steps, layers, size)
            if self._host
            else torch.zeros(steps, layers, size, dtype=torch.uint8, device=like.device)
        )
        self.rings = [
            [Ring(shape, like.dtype, home, eight=how.eight) for home in of_step]
            for of_step in homes
        ]
        self._condition: list[Packed] = []

    def forget(self) -> None:
        """As if nothing had been."""
        for ring in self._all():
            ring.home.zero_()

    def forget_condition(self) -> None:
        """Before it is kept anew, layer after layer."""
        self._condition.clear()

    def keep_condition(self, keys: Tensor, values: Tensor) -> None:
        """The next layer's unrotated keys and values [b, l, head, d]: their places change with each block."""
        self._condition.append(pack(torch.stack([keys, values]), eight=self._how.eight))

    def begin(self, step: int) -> None:
        """A forward through all layers follows."""
        if self._courier:
            self._courier.fetch(self.rings[step][0].home)

    def attend(
        self, step: int, layer: int, place: Place, qkv: tuple[Tensor, Tensor, Tensor]
    ) -> Tensor:
        """Attention of a block's queries to itself, to what is remembered and to the condition, [b, l, head, d] each; the block is then remembered."""
        ring = self.rings[step][layer]
        there = self._courier.take().bytes if self._courier else ring.home
        factors = (place.condition, place.own)
        q, own = _look(self._window, self._condition[layer], ring.read(there), factors, qkv)
        if self._courier:
            self._courier.leave()
            if layer + 1 < self._layers:
                self._courier.fetch(self.rings[step][layer + 1].home)
        keys, values = self._window[..., : self._seen(place.start), :]
        attended = attend_heads(q, keys, values)
        self._remember(ring.slot(place.start), own)
        return rearrange(attended, "b n l d -> b l n d")

    def save(self) -> Iterator[tuple[str, Bits]]:
        """Every ring's bytes under a name, as copies."""
        if self._courier:
            self._courier.settle()
        for s, of_step in enumerate(self.rings):
            for i, ring in enumerate(of_step):
                yield f"ring.{s}.{i}", ring.home.cpu().numpy().copy()

    def load(self, step: int, layer: int, bits: Bits) -> None:
        """Take back what `save` gave."""
        self.rings[step][layer].home.copy_(torch.from_numpy(bits))

    def _seen(self, start: int) -> int:
        shape = self.shape
        return shape.condition + shape.own + min(start * shape.tokens, shape.slots * shape.own)

    def _remember(self, slot: Tensor, own: Packed) -> None:
        parts = [part.reshape(-1).view(torch.uint8) for part in own if part is not None]
        if not self._courier:
            for target, part in zip(slot.split([len(part) for part in parts]), parts, strict=True):
                target.copy_(part)
        else:
            self._courier.deliver(torch.cat(parts), slot)

    def _all(self) -> Iterator[Ring]:
        for of_step in self.rings:
            yield from of_step


@fused
def _look(
    window: Tensor,
    condition: Packed,
    past: Packed,
    factors: tuple[Tensor, Tensor],
    qkv: tuple[Tensor, Tensor, Tensor],
) -> tuple[Tensor, Packed]:
    """Fill the window [2, b, head, row, d]; the rotated queries [b, head, l, d], and the block's keys and values to be remembered."""
    standing, turning = factors
    q, k, v = qkv
    own = torch.stack([rotate(k, turning), v])
    keys, values = unpack(condition, window.dtype)
    first, second = keys.shape[1], keys.shape[1] + k.shape[1]
    window[0, :, :, :first] = rearrange(rotate(keys, standing), "b l n d -> b n l d")
    window[1, :, :, :first] = rearrange(values, "b l n d -> b n l d")
    window[:, :, :, first:second] = rearrange(own, "two b l n d -> two b n l d")
    slots = unpack(past, window.dtype)
    window[:, :, :, second:] = rearrange(slots, "slot two b l n d -> two b n (slot l) d")
    return rearrange(rotate(q, turning), "b l n d -> b n l d"), pack(
        own, eight=past.scales is not None
    )


def to_bits(x: Tensor) -> Bits:
    """A copy as numpy: bf16 as uint16, float32 as it is."""
    x = x.detach().cpu()
    array: Bits = (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy().copy()
    return array


def from_bits(bits: Bits) -> Tensor:
    """What `to_bits` made, as a tensor again."""
    tensor = torch.from_numpy(np.ascontiguousarray(bits))
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor
