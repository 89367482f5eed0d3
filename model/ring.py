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
from model.packing import Packed, pack, unpack
from model.rope import rotate
from model.rows import has_kernels

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


@dataclass(frozen=True)
class Held:
    """What a layer holds for the window: the condition and the block itself [2, b, head, l, d], and what is remembered [slot, 2, b, head, l, d]."""

    condition: Packed
    past: Packed
    own: Packed
    """Not there yet: room for it."""


class Ring:
    """One layer's memory at one step: bytes, a slot for each block, keys and values in each. A block of time t lies in slot t / block: the oldest is overwritten."""

    def __init__(self, shape: RingShape, dtype: torch.dtype, home: Tensor, *, eight: bool) -> None:
        self.shape, self.dtype, self.home, self.eight = shape, dtype, home, eight

    def read(self, there: Tensor) -> Packed:
        """Keys and values [slot, 2, b, head, l, d] in bytes that lie at home or were brought from there."""
        return self._cut(there.view(self.shape.slots, -1))

    def slot(self, start: int) -> Tensor:
        """The bytes of the block that begins at a latent time."""
        return self.home.view(self.shape.slots, -1)[start // self.shape.block % self.shape.slots]

    def cut(self, slot: Tensor) -> Packed:
        """Keys and values [2, b, head, l, d] in the bytes of a slot."""
        codes, scales = self._cut(slot[None])
        return Packed(codes[0], None if scales is None else scales[0])

    def _cut(self, slots: Tensor) -> Packed:
        shape = self.shape
        sizes = (len(slots), 2, shape.batch, shape.heads, shape.own)
        if not self.eight:
            return Packed(slots.view(self.dtype).view(*sizes, shape.head_dim), None)
        codes = slot_codes(shape)
        return Packed(
            slots[:, :codes].view(torch.int8).view(*sizes, shape.head_dim),
            slots[:, codes:].view(SCALE).view(*sizes, 1),
        )


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
        both = rearrange([keys, values], "two b l n d -> two b n l d").contiguous()
        self._condition.append(pack(both, eight=self._how.eight))

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
        slot = ring.slot(place.start)
        # On its way to the host it stays on the card for a while.
        room = torch.empty_like(slot, device=qkv[0].device) if self._courier else slot
        held = Held(self._condition[layer], ring.read(there), ring.cut(room))
        q = look(self._window, held, place, qkv)
        if self._courier:
            self._courier.deliver(room, slot)
            self._courier.leave()
            if layer + 1 < self._layers:
                self._courier.fetch(self.rings[step][layer + 1].home)
        keys, values = self._window[..., : self._seen(place.start), :]
        attended = attend_heads(rearrange(q, "b l n d -> b n l d"), keys, values)
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

    def _all(self) -> Iterator[Ring]:
        for of_step in self.rings:
            yield from of_step


def look(window: Tensor, held: Held, place: Place, qkv: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Fill the window [2, b, head, row, d], and what is to be remembered of the block; the rotated queries [b, l, head, d]."""
    first = held.condition.codes.shape[-2]
    second = first + qkv[0].shape[1]
    if has_kernels(qkv[0]):
        from model import kernels

        kernels.recall(window, held.past, second)
        kernels.recall(window, held.condition.as_slot, 0, place.condition)
        return kernels.own(window, qkv, place.own, held.own, first)
    q, k, v = qkv
    past, condition = (unpack(packed, window.dtype) for packed in (held.past, held.condition))
    window[:, :, :, second:] = rearrange(past, "slot two b n l d -> two b n (slot l) d")
    keys = rotate(rearrange(condition[0], "b n l d -> b l n d"), place.condition)
    window[0, :, :, :first] = rearrange(keys, "b l n d -> b n l d")
    window[1, :, :, :first] = condition[1]
    own = rearrange([rotate(k, place.own), v], "two b l n d -> two b n l d")
    window[:, :, :, first:second] = own
    for target, part in zip(held.own, pack(own, eight=held.own.scales is not None), strict=True):
        if target is not None and part is not None:
            target.copy_(part)
    return rotate(q, place.own)


def to_bits(x: Tensor) -> Bits:
    """A copy as numpy: bf16 as uint16, float32 as it is."""
    x = x.detach().cpu()
    array: Bits = (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy().copy()
    return array


def from_bits(bits: Bits) -> Tensor:
    """What `to_bits` made, as a tensor again."""
    tensor = torch.from_numpy(np.ascontiguousarray(bits))
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor
