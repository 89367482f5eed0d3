"""The cached bytes of a layer at a step, cut by heads for ranks that have a share of them, and joined again: a carry has all heads, whoever has made it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.kv import quantized_kv
from model.kv.kv_shape import KVShape, PackedSizes

Piece = NDArray[np.generic]


@dataclass(frozen=True)
class SlotLayout:
    """How keys and values of so many heads lie in the bytes of a layer's slots."""

    shape: KVShape
    slot_bytes: int
    """Of one slot."""
    eight: bool
    """In eight bits, with scales."""

    def widen(self, parts: int) -> "SlotLayout":
        """That of so many times the heads."""
        shape = replace(self.shape, heads=parts * self.shape.heads)
        size = self._sizes(shape).bytes if self.eight else parts * self.slot_bytes
        return SlotLayout(shape, size, self.eight)

    def view_heads(self, piece: Tensor) -> list[Tensor]:
        """Views of a piece's bytes, each with the heads in front [head, …]."""
        slots = piece.view(self.shape.slots, self.slot_bytes)
        if not self.eight:
            sizes = (len(slots), 2, self.shape.batch, self.shape.heads, -1)
            return [slots.view(sizes).movedim(3, 0)]
        keys, values, scales = quantized_kv.view_slots(slots, self._sizes(self.shape))
        return [keys.movedim(2, 0), values.movedim(2, 0), scales.movedim(3, 0)]

    def _sizes(self, shape: KVShape) -> PackedSizes:
        return PackedSizes(shape.batch, shape.heads, shape.own, shape.head_dim)


def split_heads(piece: Piece, own: SlotLayout, parts: int) -> list[Piece]:
    """A piece with all heads as one for each of so many ranks, of whose layout each is."""
    if parts == 1:
        return [piece]
    source = own.widen(parts).view_heads(torch.from_numpy(piece.copy()))
    return [_take_heads(source, own, slice(i, i + own.shape.heads)) for i in _firsts(own, parts)]


def join_heads(pieces: Sequence[Piece], own: SlotLayout) -> Piece:
    """What `split_heads` has cut, whole."""
    if len(pieces) == 1:
        return pieces[0]
    whole = own.widen(len(pieces))
    room = _make_room(whole)
    for first, piece in zip(_firsts(own, len(pieces)), pieces, strict=True):
        theirs = own.view_heads(torch.from_numpy(piece))
        for to, of in zip(whole.view_heads(room), theirs, strict=True):
            to[first : first + own.shape.heads].copy_(of)
    return room.numpy()


def _take_heads(source: list[Tensor], own: SlotLayout, heads: slice) -> Piece:
    room = _make_room(own)
    for to, of in zip(own.view_heads(room), source, strict=True):
        to.copy_(of[heads])
    return room.numpy()


def _make_room(layout: SlotLayout) -> Tensor:
    return torch.zeros(layout.shape.slots * layout.slot_bytes, dtype=torch.uint8)


def _firsts(own: SlotLayout, parts: int) -> range:
    """The first head of each rank."""
    return range(0, parts * own.shape.heads, own.shape.heads)
