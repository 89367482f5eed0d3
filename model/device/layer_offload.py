"""Blocks of the transformer that wait on the host and come to the card ahead of their turn, while the one before computes."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import torch
from torch import Tensor, nn

from model.device.prefetch import BUFFERS, HostDeviceCopier, HostMemory

ALIGNED = 256
"""Bytes: kernels read whole lines."""


@dataclass(frozen=True)
class _Layer:
    host_buffer: Tensor
    weights: list[Tensor]
    views: list[list[Tensor]]
    """For each buffer on the card, the weights as views of it."""


class LayerStream:
    """The blocks that wait: their weights lie on the host, in one run of bytes each, and are nowhere else until they are brought.

    They always come in the same order, so the first two of a forward are on their way while the forward before ends. The same kernels read the same
    weights: not a bit differs.
    """

    def __init__(
        self, blocks: Sequence[nn.Module], waiting: Sequence[int], device: torch.device
    ) -> None:
        """Let the blocks with the numbers `waiting` stay on the host, where all of them are."""
        sizes = {i: _block_bytes(blocks[i]) for i in waiting}
        self._copier = HostDeviceCopier(max(sizes.values()), device)
        self._host = HostMemory(sum(sizes.values()), device)
        buffers = self._host.bytes.split(list(sizes.values()))
        gpu_buffers = self._copier.buffers(max(sizes.values()))
        self._layers = {
            i: _move_to_host(blocks[i], host_buffer, gpu_buffers)
            for i, host_buffer in zip(sizes, buffers, strict=True)
        }
        self._coming = cycle(self._layers)
        self._staged = deque[int]()
        """Numbers of the layers that are on the card or on their way, in their order."""
        for _ in range(BUFFERS):
            self._fetch_next()

    def walk(self, blocks: Sequence[Any], held: range, among: range) -> Iterator[Any]:
        """The blocks with the numbers `among` in their order, each on the card until the next is asked for; the walk goes to its end. All that wait are of the `held`, and come each time: they have one order."""
        # Whoever failed in the midst of a forward has left its walk there.
        while self._staged[0] != next(iter(self._layers)):
            self._pass_on()
        for i in held:
            block, layer = blocks[i], self._layers.get(i)
            if layer is None:
                if i in among:
                    yield block
                continue
            index = self._copier.take().index
            assert self._staged[0] == i, f"layer {self._staged[0]} is there, not {i}"
            if i in among:
                for weight, on_gpu in zip(layer.weights, layer.views[index], strict=True):
                    weight.data = on_gpu
                yield block
            self._pass_on()

    def _fetch_next(self) -> None:
        number = next(self._coming)
        self._copier.fetch(self._layers[number].host_buffer)
        self._staged.append(number)

    def _pass_on(self) -> None:
        """Let go of the layer that is there, and have another come."""
        self._copier.release()
        self._staged.popleft()
        self._fetch_next()


def _block_tensors(block: nn.Module) -> list[Tensor]:
    return [*block.parameters(), *block.buffers()]


def _aligned_bytes(tensor: Tensor) -> int:
    return -(-tensor.nbytes // ALIGNED) * ALIGNED


def _block_bytes(block: nn.Module) -> int:
    return sum(_aligned_bytes(tensor) for tensor in _block_tensors(block))


def _move_to_host(block: nn.Module, host_buffer: Tensor, gpu_buffers: Sequence[Tensor]) -> _Layer:
    """Move a block's weights into its run of bytes, one after the other, so that hardly anything is there twice."""
    weights, views = _block_tensors(block), [list[Tensor]() for _ in gpu_buffers]
    at = 0
    for weight in weights:
        span = slice(at, at + weight.nbytes)
        host_buffer[span].copy_(weight.data.contiguous().view(-1).view(torch.uint8))
        for view, gpu_buffer in zip(views, gpu_buffers, strict=True):
            view.append(gpu_buffer[span].view(weight.dtype).view(weight.shape))
        weight.data = views[0][-1]
        at += _aligned_bytes(weight)
    return _Layer(host_buffer, weights, views)
