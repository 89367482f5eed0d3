"""Tensors out of files, straight onto a device.

Files are read, not mapped: several reads at once are faster than page faults one after the other, and the host keeps READERS chunks of CHUNK bytes.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

import torch
from torch import Tensor

from model.weights.file_headers import StoredTensor
from storage.errors import WeightsDamaged

READERS, CHUNK_BYTES, AHEAD_BYTES = 4, 1 << 24, 1 << 28
"""Threads that read, bytes that each reads at a time, bytes of tensors that are begun before they are needed."""
DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
"""The kinds of numbers that are read."""


class TensorReader:
    """Pieces of files as new tensors on a device, in their order, several read at once."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._threads = ThreadPoolExecutor(READERS)
        self._buffers: SimpleQueue[Tensor] = SimpleQueue()
        if device.type == "cuda":
            self._stream = torch.cuda.current_stream(device)
            for _ in range(READERS):
                self._buffers.put(torch.empty(CHUNK_BYTES, dtype=torch.uint8, pin_memory=True))

    def __enter__(self) -> "TensorReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def stream(self, pieces: Iterable[StoredTensor]) -> Iterator[Tensor]:
        """Each piece as a tensor; no more than AHEAD bytes, or one piece, are begun before they are taken."""
        begun: deque[tuple[Tensor, list[Future[None]]]] = deque()
        ahead = 0
        for piece in pieces:
            begun.append(self._begin(piece))
            ahead += piece.size
            while ahead > AHEAD_BYTES:
                tensor = _wait_for_reads(*begun.popleft())
                ahead -= tensor.nbytes
                yield tensor
        while begun:
            yield _wait_for_reads(*begun.popleft())

    def _begin(self, piece: StoredTensor) -> tuple[Tensor, list[Future[None]]]:
        tensor = torch.empty(piece.shape, dtype=DTYPES[piece.kind], device=self._device)
        data = tensor.view(-1).view(torch.uint8)
        chunks = range(0, piece.size, CHUNK_BYTES)
        return tensor, [
            self._threads.submit(
                self._fill, piece.path, piece.offset + at, data[at : at + CHUNK_BYTES]
            )
            for at in chunks
        ]

    def _fill(self, path: Path, offset: int, data: Tensor) -> None:
        if self._device.type != "cuda":
            _read_bytes(path, offset, data.numpy().data)
            return
        buffer = self._buffers.get()
        try:
            chunk = buffer[: len(data)]
            _read_bytes(path, offset, chunk.numpy().data)
            # On the stream that owns the tensor: its memory may still be in use there for one that has gone. A tensor that was begun in inference mode
            # is filled in no other, and this thread has its own.
            with torch.inference_mode(), torch.cuda.stream(self._stream):
                data.copy_(chunk, non_blocking=True)
                self._stream.record_event().synchronize()
        finally:
            self._buffers.put(buffer)


def _wait_for_reads(tensor: Tensor, reads: list[Future[None]]) -> Tensor:
    for read in reads:
        read.result()
    return tensor


def _read_bytes(path: Path, offset: int, data: memoryview) -> None:
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            while data:
                read = file.readinto(data)
                if not read:
                    raise WeightsDamaged(path, "it became shorter while it was read")
                data = data[read:]
    except OSError as error:
        raise WeightsDamaged(path, f"it cannot be read ({error.strerror})") from error
