"""The KV cache: keys and values of the last blocks of latents, for each layer at each step.

A block attends to `latents` frames, of which it is itself the last: only those before it are cached, in slots of a block each, so the cache is as large as what
must not be forgotten, wherever it lies. The window through which a block attends to it (model/kv/kv_window.py) is one for all layers and steps.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.device.prefetch import HostDeviceCopier, HostMemory
from model.kv.head_pieces import SlotLayout
from model.kv.kv_shape import HOST_BUFFERS, KVShape, Shard
from model.kv.kv_window import (
    QKV,
    BlockPosition,
    CachedBlocks,
    DenseKVWindow,
    KVWindow,
    QuantizedKVWindow,
)

Bits = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


@dataclass(frozen=True)
class KVCacheConfig:
    """How keys and values are kept: in eight bits or the layers' precision, on the host or the device."""

    eight: bool = False
    """In eight bits, and attended to so."""
    on_host: bool = False


class KVCache:
    """Keys and values of the cached blocks of every step and layer of a shard, those of every layer's condition, and the window. Steps and layers are named by their numbers in the whole model."""

    slots: Tensor
    """Bytes of the cached blocks [place, slot, byte], a place for each layer at each step. The block at latent time t lies in slot t / block: the oldest is overwritten."""

    def __init__(self, shape: KVShape, like: Tensor, shard: Shard, config: KVCacheConfig) -> None:
        """Allocate where `like` is, in its precision; with `on_host` only the window and a few layers' bytes lie there."""
        self.shape, self.shard, self.dtype = shape, shard, like.dtype
        self.window: KVWindow = (
            QuantizedKVWindow(shape, like) if config.eight else DenseKVWindow(shape, like)
        )
        self._place_of = {place: number for number, place in enumerate(shard.places)}
        sizes = (len(self._place_of), shape.slots, self.window.slot_bytes)
        self._copier: HostDeviceCopier | None = None
        self._due: deque[tuple[int, int]] = deque()
        self._coming: deque[tuple[int, int]] = deque()
        """Those of the due that are not fetched yet."""
        if config.on_host:
            self._copier = HostDeviceCopier(prod(sizes[1:]), like.device, HOST_BUFFERS)
            self._host = HostMemory(prod(sizes), like.device)
            self.slots = self._host.bytes.view(sizes)
        else:
            self.slots = torch.empty(sizes, dtype=torch.uint8, device=like.device)
        self._condition: list[Any] = []
        self.reset()

    def reset(self) -> None:
        """Forget all blocks, and what was due: each slot then holds zeros that can be attended to."""
        self._due.clear()
        self._coming.clear()
        if self._copier:
            self._copier.drop()
        self.window.empty(self.slots)

    def reset_condition(self) -> None:
        """Forget the condition, before it is kept anew, layer after layer."""
        self._condition.clear()

    def keep_condition(self, keys: Tensor, values: Tensor) -> None:
        """Keep the condition's keys, before rotation, and values [b, l, head, d] of the next layer."""
        self._condition.append(self.window.keep(keys, values))

    def begin(self, places: Iterable[tuple[int, int]]) -> None:
        """Say in which order steps and layers are attended to next, until all of these are."""
        if self._copier:
            told = list(places)
            self._due.extend(told)
            self._coming.extend(told)
            self._fetch_coming(self._copier)

    def attend(
        self, step: int, layer: int, place: BlockPosition, qkv: QKV, out: Tensor | None = None
    ) -> Tensor:
        """Attention of a block's queries to itself, to the cached blocks and to the condition, [b, l, head, d] each, written to `out` where that is given; the block is then cached."""
        cached = self._slots_of(step, layer)
        kept = self._condition[layer - self.shard.layers.start]
        slot = cached[self.slot_at(place.start)]
        before = min(place.start // self.shape.block, self.shape.slots)
        if not self._copier:
            return self.window.attend(CachedBlocks(cached, slot, before), kept, place, qkv, out)
        due = self._due.popleft()
        assert due == (step, layer), f"{due} was to come, not {(step, layer)}"
        fetched = self._copier.take().bytes.view_as(cached)
        # On its way to the host it stays on the card for a while.
        room = torch.zeros_like(slot, device=fetched.device)
        attended = self.window.attend(CachedBlocks(fetched, room, before), kept, place, qkv, out)
        self._copier.write_back(room, slot)
        self._copier.release()
        self._fetch_coming(self._copier)
        return attended

    def _fetch_coming(self, copier: HostDeviceCopier) -> None:
        while self._coming and not copier.is_full:
            copier.fetch(self._bytes_of(*self._coming.popleft()))

    def slot_at(self, start: int) -> int:
        """The slot of the block that begins at this latent time."""
        return start // self.shape.block % self.shape.slots

    @property
    def places(self) -> list[tuple[int, int]]:
        """Each step and layer whose bytes are here, in the order in which `save` gives them."""
        return list(self._place_of)

    @property
    def piece_bytes(self) -> int:
        """Bytes of one layer at one step."""
        return self.slots[0].numel()

    @property
    def layout(self) -> SlotLayout:
        """Where the heads are in those bytes."""
        return SlotLayout(
            self.shape, self.window.slot_bytes, isinstance(self.window, QuantizedKVWindow)
        )

    def save(self) -> Iterator[tuple[str, Bits]]:
        """The bytes of each layer at each step under a name, "ring.STEP.LAYER", as copies."""
        for step, layer in self.places:
            yield f"ring.{step}.{layer}", self.copy_piece(step, layer)

    def copy_piece(self, step: int, layer: int) -> Bits:
        """A copy of the bytes of one layer at one step."""
        if self._copier:
            self._copier.wait_written()
        return self._bytes_of(step, layer).cpu().numpy().copy()

    def load(self, step: int, layer: int, bits: Bits) -> None:
        """Take back the bytes that `save` gave for one layer at one step."""
        self._bytes_of(step, layer).copy_(torch.from_numpy(bits))

    def _slots_of(self, step: int, layer: int) -> Tensor:
        return self.slots[self._place_of[step, layer]]

    def _bytes_of(self, step: int, layer: int) -> Tensor:
        return self._slots_of(step, layer).view(-1)


def to_bits(x: Tensor) -> Bits:
    """A copy as numpy: bf16 as uint16, float32 as it is."""
    x = x.detach().cpu()
    array: Bits = (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy().copy()
    return array


def from_bits(bits: Bits) -> Tensor:
    """What `to_bits` made, as a tensor again."""
    tensor = torch.from_numpy(np.ascontiguousarray(bits))
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor
