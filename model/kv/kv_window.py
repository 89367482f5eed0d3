"""The windows through which attention looks at the condition, the block itself and what is remembered: filled anew for every layer and step.

In the precision of the layers, or in eight bits, where keys and values lie as the card's attention takes them and nothing is turned or rounded again.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from einops import rearrange
from torch import Tensor

from model.kv import quantized_kv
from model.kv.kv_shape import TILE, KVShape, PackedSizes
from model.kv.packed import LEAST, PackedKV, SeenKV, VisibleRows
from model.ops.fused import has_kernels
from model.s2v.attention import attend_heads
from model.s2v.rope import apply_rope

QKV = tuple[Tensor, Tensor, Tensor]
"""Queries, keys and values [b, l, head, d] of a block, before rotation."""


@dataclass(frozen=True)
class BlockPosition:
    """Where a block stands: its first latent's time, its rotary factors, and those of the condition as it is seen from there."""

    start: int
    own: Tensor
    condition: Tensor


@dataclass(frozen=True)
class CachedBlocks:
    """A layer's cached blocks."""

    slots: Tensor
    """Bytes [slot, byte]."""
    room: Tensor
    """Bytes [byte] that the block itself is written to. They may be one of the slots: its block is seen once more, and then overwritten."""
    count: int
    """Blocks that are there."""


class KVWindow(Protocol):
    """What a KVCache needs of a window."""

    slot_bytes: int
    """Bytes of one block's keys and values in the cache."""

    def empty(self, slots: Tensor) -> None:
        """Let each slot [..., byte] hold keys and values of zero."""

    def keep(self, k: Tensor, v: Tensor) -> Any:
        """The condition's keys and values [b, l, head, d] for later; its keys before rotation, as their positions change with each block."""

    def remember(self, k: Tensor, v: Tensor, room: Tensor) -> None:
        """Write a block's keys, rotated already, and values [b, l, head, d] into a slot of bytes."""

    def attend(
        self,
        cached: CachedBlocks,
        kept: Any,
        place: BlockPosition,
        qkv: QKV,
        out: Tensor | None = None,
    ) -> Tensor:
        """Attention [b, l, head, d] of a block to the condition, to itself and to the cached blocks, written to `out` where that is given; then the block is cached."""


class DenseKVWindow:
    """Keys and values in the precision of the layers [2, b, head, row, d]: the condition's, the block's, then what is remembered."""

    def __init__(self, shape: KVShape, like: Tensor) -> None:
        self._shape, self._dtype = shape, like.dtype
        self._window = like.new_zeros(2, shape.batch, shape.heads, shape.rows, shape.head_dim)
        self.slot_bytes = 2 * shape.batch * shape.heads * shape.own * shape.head_dim * like.itemsize

    def empty(self, slots: Tensor) -> None:
        """See KVWindow."""
        slots.zero_()

    def keep(self, k: Tensor, v: Tensor) -> Tensor:
        """Keys and values as one tensor [2, b, head, l, d]."""
        return rearrange([k, v], "two b l n d -> two b n l d").contiguous()

    def remember(self, k: Tensor, v: Tensor, room: Tensor) -> None:
        """See KVWindow."""
        self._cut(room[None])[0].copy_(rearrange([k, v], "two b l n d -> two b n l d"))

    def attend(
        self,
        cached: CachedBlocks,
        kept: Tensor,
        place: BlockPosition,
        qkv: QKV,
        out: Tensor | None = None,
    ) -> Tensor:
        """See KVWindow."""
        own = self._cut(cached.room[None])[0]
        q = self._fill(self._cut(cached.slots), own, kept, place, qkv)
        keys, values = self._window[
            ..., : self._shape.condition + (1 + cached.count) * self._shape.own, :
        ]
        attended = attend_heads(rearrange(q, "b l n d -> b n l d"), keys, values)
        attended = rearrange(attended, "b n l d -> b l n d")
        return attended if out is None else out.copy_(attended)

    def _fill(
        self, past: Tensor, own: Tensor, kept: Tensor, place: BlockPosition, qkv: QKV
    ) -> Tensor:
        """Fill the window, and the slot with the block; the queries, rotated."""
        window = self._window
        first, second = self._shape.condition, self._shape.condition + self._shape.own
        if has_kernels(qkv[0]):
            from model.ops import fused_triton

            fused_triton.recall_slots(window, past, second)
            fused_triton.recall_slots(window, kept[None], 0, place.condition)
            return fused_triton.write_own_block(window, qkv, place.own, own, first)
        q, k, v = qkv
        window[:, :, :, second:] = rearrange(past, "slot two b n l d -> two b n (slot l) d")
        keys = apply_rope(rearrange(kept[0], "b n l d -> b l n d"), place.condition)
        window[0, :, :, :first] = rearrange(keys, "b l n d -> b n l d")
        window[1, :, :, :first] = kept[1]
        own.copy_(rearrange([apply_rope(k, place.own), v], "two b l n d -> two b n l d"))
        window[:, :, :, first:second] = own
        return apply_rope(q, place.own)

    def _cut(self, slots: Tensor) -> Tensor:
        shape = self._shape
        sizes = (len(slots), 2, shape.batch, shape.heads, shape.own, shape.head_dim)
        return slots.view(self._dtype).view(sizes)


class QuantizedKVWindow:
    """Keys and values in eight bits (model/kv/quantized_kv.py): the condition's and the block's, each filled up to whole tiles. Cached blocks are attended to where they lie."""

    def __init__(self, shape: KVShape, like: Tensor) -> None:
        self._shape = shape
        b, n, d = shape.batch, shape.heads, shape.head_dim
        self._own, self._still = (
            PackedSizes(b, n, shape.own, d),
            PackedSizes(b, n, shape.condition, d),
        )
        whole = PackedSizes(b, n, (self._still.tiles + self._own.tiles) * TILE, d)
        self._window = quantized_kv.allocate_packed(whole, like.device)
        self.slot_bytes = self._own.bytes

    def empty(self, slots: Tensor) -> None:
        """See KVWindow; a scale of zero would divide nothing by nothing."""
        slots.zero_()
        quantized_kv.view_slots(slots.view(-1, slots.shape[-1]), self._own).scales.fill_(LEAST)

    def keep(self, k: Tensor, v: Tensor) -> PackedKV:
        """Keys and values packed in eight bits."""
        kept = quantized_kv.allocate_packed(self._still, k.device)
        quantized_kv.pack_kv(k, v, None, kept)
        return kept

    def remember(self, k: Tensor, v: Tensor, room: Tensor) -> None:
        """See KVWindow."""
        quantized_kv.pack_kv(k, v, None, self._slot_of(room))

    def attend(
        self,
        cached: CachedBlocks,
        kept: PackedKV,
        place: BlockPosition,
        qkv: QKV,
        out: Tensor | None = None,
    ) -> Tensor:
        """See KVWindow."""
        q, k, v = qkv
        window, own = self._window, self._still.tiles
        quantized_kv.apply_rope_packed(kept, place.condition, window)
        quantized_kv.copy_values(kept, window)
        quantized_kv.pack_kv(k, v, place.own, window, own)
        rows = VisibleRows(self._shape.condition, self._shape.own, 1 + cached.count)
        seen = SeenKV(window, quantized_kv.view_slots(cached.slots, self._own), rows)
        attended = quantized_kv.attend_packed(q, place.own, seen, out)
        quantized_kv.take_tiles(window, own, self._slot_of(cached.room))
        return attended

    def _slot_of(self, room: Tensor) -> PackedKV:
        return quantized_kv.take_slot(quantized_kv.view_slots(room[None], self._own))
