"""Bytes between host and card, on their way while the card computes."""

import weakref
from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BUFFERS = 2
"""One that is used, one that is filled."""


@dataclass(frozen=True)
class StagedBuffer:
    """A run of bytes on the card."""

    index: int
    bytes: Tensor
    arrived: Any
    """The event of its arrival; None on a CPU."""


class HostDeviceCopier:
    """Brings runs of bytes from the host to one of some places on the card, ahead of their use, and takes others back.

    What is fetched is taken in the same order, and its place is left before it is filled again. On a CPU everything happens at once.
    """

    def __init__(self, size: int, device: torch.device, buffers: int = BUFFERS) -> None:
        """Allocate so many buffers for runs of at most `size` bytes."""
        self._on_gpu = device.type == "cuda"
        self._buffers = torch.empty(buffers, size, dtype=torch.uint8, device=device)
        self._staged: deque[StagedBuffer] = deque()
        self._released: list[Any] = [None] * buffers
        self._next = 0
        if self._on_gpu:
            self._up, self._down = torch.cuda.Stream(device), torch.cuda.Stream(device)
            # What is on its way when nobody wants it any more would else be written over whatever lies there next.
            weakref.finalize(self, _await_streams, self._up, self._down).atexit = False

    def buffers(self, size: int) -> list[Tensor]:
        """The first `size` bytes of each buffer on the card, in the order in which they are filled."""
        return [buffer[:size] for buffer in self._buffers]

    @property
    def is_full(self) -> bool:
        """Whether all buffers have been asked to be filled, and none is released."""
        return len(self._staged) == len(self._buffers)

    def fetch(self, host_buffer: Tensor) -> None:
        """Begin to bring what lies at `host_buffer`, bytes in pinned memory."""
        index, self._next = self._next, (self._next + 1) % len(self._buffers)
        target = self._buffers[index, : host_buffer.numel()]
        if not self._on_gpu:
            self._staged.append(StagedBuffer(index, target.copy_(host_buffer), None))
            return
        with torch.cuda.stream(self._up):
            if self._released[index] is not None:
                self._up.wait_event(self._released[index])
            # What was delivered to this buffer is there: it was delivered a forward ago, and the host's memory knows no order by itself.
            self._up.wait_stream(self._down)
            target.copy_(host_buffer, non_blocking=True)
            self._staged.append(StagedBuffer(index, target, self._up.record_event()))

    def take(self) -> StagedBuffer:
        """The oldest run that was fetched; whatever is computed from now on finds it whole."""
        staged = self._staged[0]
        if staged.arrived is not None:
            torch.cuda.current_stream().wait_event(staged.arrived)
        return staged

    def release(self) -> None:
        """Let the buffer of the run that was taken be filled again, after what was computed so far."""
        staged = self._staged.popleft()
        if self._on_gpu:
            self._released[staged.index] = torch.cuda.current_stream().record_event()

    def drop(self) -> None:
        """Let all buffers be filled again: whoever fetched will take nothing more. What is written back is on the host then."""
        while self._staged:
            self.release()
        self.wait_written()

    def write_back(self, source: Tensor, host_buffer: Tensor) -> None:
        """Begin to write what was computed to the host."""
        if not self._on_gpu:
            host_buffer.copy_(source)
            return
        self._down.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._down):
            host_buffer.copy_(source, non_blocking=True)
            source.record_stream(self._down)

    def wait_written(self) -> None:
        """Wait until everything that was written back lies on the host."""
        if self._on_gpu:
            self._down.synchronize()


def _await_streams(*streams: Any) -> None:
    for stream in streams:
        stream.synchronize()


def send_to_device(numbers: Tensor, device: torch.device) -> Tensor:
    """A tensor on the device; of one of the host, the host goes on while it is on its way."""
    # In training, features come from an encoder on the card, and what lies there cannot be pinned.
    if device.type != "cuda" or numbers.is_cuda:
        return numbers.to(device)
    return numbers.pin_memory().to(device, non_blocking=True)


def read_to_host(tensor: Tensor) -> Tensor:
    """A tensor on the host, when all that was asked for in this stream is done. A card writes to pinned memory at the link's rate, to other memory at a tenth of it (39 MB of frames: 22 ms)."""
    if not tensor.is_cuda:
        return tensor
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    host.copy_(tensor, non_blocking=True)
    torch.cuda.current_stream(tensor.device).synchronize()
    return host


class HostMemory:
    """Zeros on the host, which the card reads and writes by itself if there is one, for as long as this object lives.

    Registered, not allocated by torch, which rounds pinned memory up to a power of two: 136 GB were once taken for 80.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self.bytes = torch.zeros(size, dtype=torch.uint8)
        if device.type == "cuda" and size:
            runtime, address = torch.cuda.cudart(), self.bytes.data_ptr()
            torch.cuda.check_error(runtime.cudaHostRegister(address, size, 0))
            weakref.finalize(self, runtime.cudaHostUnregister, address)
