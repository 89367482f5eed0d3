"""The KV cache: keys and values of the last blocks of latents, for each layer at each step.

A block attends to `latents` frames, of which it is itself the last: only those before it are cached, in slots of a block each, so the cache is as large as what
must not be forgotten, wherever it lies. The window through which a block attends to it (model/kv/kv_window.py) is one for all layers and steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.device.prefetch import HostDeviceCopier, HostMemory
from model.kv.kv_shape import KVShape
from model.kv.kv_window import QKV, BlockPosition, DenseKVWindow, KVWindow, QuantizedKVWindow

Bits = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


@dataclass(frozen=True)
class KVCacheConfig:
    """How keys and values are kept: in eight bits or the layers' precision, on the host or the device."""

    eight: bool = False
    """In eight bits, and attended to so."""
    on_host: bool = False


class LayerKVCache:
    """One layer's keys and values at one step: a ring of bytes, a slot for each block. The block at latent time t lies in slot t / block: the oldest is overwritten."""

    def __init__(self, shape: KVShape, buffer: Tensor) -> None:
        self.shape, self.buffer = shape, buffer

    def slots(self, source: Tensor) -> Tensor:
        """The bytes as [slot, byte], from this layer's buffer or a copy of it that was brought to the device."""
        return source.view(self.shape.slots, -1)

    def slot(self, start: int) -> Tensor:
        """The slot [byte] of the block that begins at latent time `start`."""
        return self.slots(self.buffer)[start // self.shape.block % self.shape.slots]


class KVCache:
    """Keys and values of the cached blocks [step][layer], those of every layer's condition, and the window."""

    def __init__(
        self, shape: KVShape, like: Tensor, steps: int, layers: int, config: KVCacheConfig
    ) -> None:
        """Allocate where `like` is, in its precision; with `on_host` only the window and two layers' bytes lie there."""
        self.shape, self.dtype, self._layers = shape, like.dtype, layers
        self.window: KVWindow = (
            QuantizedKVWindow(shape, like) if config.eight else DenseKVWindow(shape, like)
        )
        size = shape.slots * self.window.slot_bytes
        self._copier = HostDeviceCopier(size, like.device) if config.on_host else None
        self._host = HostMemory(steps * layers * size, like.device) if config.on_host else None
        self._buffers = (
            self._host.bytes.view(steps, layers, size)
            if self._host
            else torch.zeros(steps, layers, size, dtype=torch.uint8, device=like.device)
        )
        self.layer_caches = [
            [LayerKVCache(shape, buffer) for buffer in of_step] for of_step in self._buffers
        ]
        self._condition: list[Any] = []

    def reset(self) -> None:
        """Forget all blocks."""
        self._buffers.zero_()

    def reset_condition(self) -> None:
        """Forget the condition, before it is kept anew, layer after layer."""
        self._condition.clear()

    def keep_condition(self, keys: Tensor, values: Tensor) -> None:
        """Keep the condition's keys, before rotation, and values [b, l, head, d] of the next layer."""
        self._condition.append(self.window.keep(keys, values))

    def begin(self, step: int) -> None:
        """Say that a forward through all layers at this step follows."""
        if self._copier:
            self._copier.fetch(self.layer_caches[step][0].buffer)

    def attend(self, step: int, layer: int, place: BlockPosition, qkv: QKV) -> Tensor:
        """Attention of a block's queries to itself, to the cached blocks and to the condition, [b, l, head, d] each; the block is then cached."""
        cache = self.layer_caches[step][layer]
        source = self._copier.take().bytes if self._copier else cache.buffer
        slot = cache.slot(place.start)
        # On its way to the host it stays on the card for a while.
        slot_buffer = torch.zeros_like(slot, device=qkv[0].device) if self._copier else slot
        q = self.window.fill(cache.slots(source), slot_buffer, self._condition[layer], place, qkv)
        if self._copier:
            self._copier.write_back(slot_buffer, slot)
            self._copier.release()
            if layer + 1 < self._layers:
                self._copier.fetch(self.layer_caches[step][layer + 1].buffer)
        before = min(place.start // self.shape.block, self.shape.slots)
        return self.window.attend(q, place, 1 + before)

    def save(self) -> Iterator[tuple[str, Bits]]:
        """The bytes of each layer at each step under a name, "ring.STEP.LAYER", as copies."""
        if self._copier:
            self._copier.wait_written()
        for s, of_step in enumerate(self.layer_caches):
            for i, cache in enumerate(of_step):
                yield f"ring.{s}.{i}", cache.buffer.cpu().numpy().copy()

    def load(self, step: int, layer: int, bits: Bits) -> None:
        """Take back the bytes that `save` gave for one layer at one step."""
        self.layer_caches[step][layer].buffer.copy_(torch.from_numpy(bits))


def to_bits(x: Tensor) -> Bits:
    """A copy as numpy: bf16 as uint16, float32 as it is."""
    x = x.detach().cpu()
    array: Bits = (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy().copy()
    return array


def from_bits(bits: Bits) -> Tensor:
    """What `to_bits` made, as a tensor again."""
    tensor = torch.from_numpy(np.ascontiguousarray(bits))
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor
