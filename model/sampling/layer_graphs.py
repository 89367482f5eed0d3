"""All layers of one step, or of several blocks' steps at once, as a CUDA graph: the card is asked once and not four thousand times, which a host takes 100 ms for.

A graph has fixed addresses: what changes from block to block is copied to where the graph reads it, and there is one for each step, or steps, and each slot of the KV cache that the block is
written to. Whatever else a graph reads (weights, the condition, the prompt) must last: it is captured only behind as many blocks with the same of them as the cache has slots.
And only where it pays, as it takes memory: if the card waits for the host without it, and for what most of the film's forwards are.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

GraphKey = tuple[tuple[int, ...], int]
"""The steps, and the slot that the first of their blocks is written to."""
Compute = Callable[[Sequence[Tensor]], Tensor]
"""The tokens behind the layers, from tensors that change from block to block."""


HOST_BOUND, HOST_BUSY = 0.9, 0.7
"""Asking for all of a forward takes so much of the time until it is done, or more: the card has been waiting. Of joined blocks, where it has not, .6 was seen, and .8 is the most where its queue of 1024 pieces is full.
Of one block by itself, as between ranks, less is enough: its graph is short, and the host of rank 0 has a decoder to serve as well."""


@dataclass(frozen=True)
class _Graph:
    inputs: list[Tensor]
    replay: Callable[[], None]
    output: Tensor


class LayerGraphs:
    """The graphs of a stage, which are captured as they are wanted. Not for layers or caches that wait on the host, nor for ranks that meet inside of a layer."""

    def __init__(self, device: torch.device, lasting: int) -> None:
        """With `lasting`, what they read must have been the same for so many blocks before one is captured: the slots, and the blocks whose later steps are still due when another begins."""
        self._device, self._needed = device, lasting
        self._pool: Any = None
        # One for all: the allocator gives memory back to the stream that it was taken on.
        self._aside: Any = None
        self._graphs: dict[GraphKey, _Graph] = {}
        self._lasting: Any = None
        self._blocks = 0
        self._ended: Any = None
        """The event behind what was replayed last."""
        self._steps_asked = Counter[int]()
        """Blocks' steps that were asked for, by how many of them at once."""
        self._bound_by_host: dict[int, bool] = {}
        """Of as many steps at once, whether the card waits for the host."""
        self._without = False
        """There was no memory for them."""

    def forget(self) -> None:
        """Drop all graphs: something that they read is no more. What they have been asked for ends first, as their memory becomes others'."""
        if self._graphs and self._device.type == "cuda":
            torch.cuda.current_stream(self._device).synchronize()
        self._graphs.clear()
        self._steps_asked.clear()
        self._lasting, self._blocks = None, 0

    def begin_block(self, lasting: object) -> None:
        """Say that the steps of another block follow, and what they read that must be the same object as before."""
        if self._lasting is not lasting:
            self.forget()
            self._lasting = lasting
        self._blocks += 1

    def run(self, key: GraphKey, inputs: Sequence[Tensor], compute: Compute) -> Tensor:
        """`compute(inputs)` of blocks at these steps and this slot; what comes out is overwritten by the next run."""
        together = len(key[0])
        self._steps_asked[together] += together
        if self._blocks <= 1 + self._needed or self._without:
            return compute(inputs)
        graph = self._graphs.get(key)
        if graph is None:
            if together not in self._bound_by_host:
                made, asking = self._time_asking(inputs, compute)
                much = HOST_BUSY if together == 1 else HOST_BOUND
                self._bound_by_host[together] = asking > much
                return made
            if not self._bound_by_host[together] or self._is_rare(together):
                return compute(inputs)
            try:
                graph = self._graphs[key] = self._capture(inputs, compute)
            except torch.OutOfMemoryError:
                # A film needs no graphs, and what memory there is.
                self.forget()
                self._without = True
                return compute(inputs)
        for place, given in zip(graph.inputs, inputs, strict=True):
            place.copy_(given)
        graph.replay()
        return graph.output

    def _is_rare(self, together: int) -> bool:
        """Whether fewer than half of the steps are asked for so many at once."""
        return 2 * self._steps_asked[together] < self._steps_asked.total()

    def _time_asking(self, inputs: Sequence[Tensor], compute: Compute) -> tuple[Tensor, float]:
        """What is computed, and the share of its time in which the host asked for it."""
        stream = torch.cuda.current_stream(self._device)
        stream.synchronize()
        begun = time.monotonic()
        made = compute(inputs)
        asked = time.monotonic() - begun
        stream.synchronize()
        return made, asked / (time.monotonic() - begun)

    def _capture(self, inputs: Sequence[Tensor], compute: Compute) -> _Graph:
        # One place for all that take as much.
        alike = (each for each in self._graphs.values() if len(each.inputs) == len(inputs))
        first = next(alike, None)
        places = first.inputs if first else [torch.empty_like(given) for given in inputs]
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
            self._aside = torch.cuda.Stream(self._device)
        graph, here = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        self._aside.wait_stream(here)
        with torch.cuda.stream(self._aside):
            # Only this thread's calls are those of the graph: another one decodes meanwhile.
            graph.capture_begin(self._pool, capture_error_mode="thread_local")
            try:
                output = compute(places)
                if first:
                    # Each would keep a block's tokens else: 65 MB at 704x384.
                    output = first.output.copy_(output)
            except Exception:
                # What is told is what went wrong, not that half a graph cannot be ended.
                with suppress(RuntimeError):
                    graph.capture_end()
                raise
            graph.capture_end()
        here.wait_stream(self._aside)
        return _Graph(places, partial(self._replay, graph), output)

    def _replay(self, graph: torch.cuda.CUDAGraph) -> None:
        """Ask for a graph, once the one before is done: asked for earlier, the driver holds this thread until then, and with it whoever asks for anything, on any stream (ADR 53)."""
        if self._ended is not None:
            self._ended.synchronize()
        graph.replay()
        # The host sleeps until it comes, instead of asking again and again.
        self._ended = torch.cuda.Event(blocking=True)
        self._ended.record()
