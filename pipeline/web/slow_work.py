"""Work that takes longer than a look at a run, in threads of its own: those who wait for it hold none of the threads in which others are answered."""

from collections.abc import Callable
from typing import TypeVar

import anyio

Found = TypeVar("Found")
DRAWN_AT_ONCE = 4
"""Pictures, frames and joined films that one part of the server makes at once; the others wait, and no other request waits for them."""


class SlowWork:
    """A few threads, and who waits for one."""

    def __init__(self, at_once: int) -> None:
        self._places = anyio.CapacityLimiter(at_once)

    async def run_in_turn(self, work: Callable[[], Found]) -> Found:
        """Do some work as soon as there is a thread for it."""
        return await anyio.to_thread.run_sync(work, limiter=self._places)
