"""A stream of work of its own on a card, which goes before that of others."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

FIRST = -1
"""The priority of what goes before all that has none (0)."""


class PriorityStream:
    """What is asked for within it does not wait for what others have asked the card for, but for what was asked for before it was made. On a CPU there is nothing to wait for.

    What is made there must not outlive its last use there, and be used nowhere else on the card: the allocator knows only the stream that memory was taken on.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device, priority=FIRST)
            self._stream.wait_stream(torch.cuda.current_stream(device))

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Ask for work there, in this thread."""
        if self._stream is None:
            yield
            return
        with torch.cuda.stream(self._stream):
            yield
