"""One connection of HTTP, with limits on its time: a client that never ends its request, or takes nothing of the answer, keeps no place from others."""

from asyncio import TimerHandle, Transport
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

SERVED, TOLD = 400, 450
"""Connections of which each is served, and of which each is told at least that it is not (503). One beyond these takes the place of the one that has been idle for
longest, or is cut off. With a file each they stay below 1024 descriptors."""
HEAD_SECONDS = 20.0
"""Within which a request's head must have come, after the connection was made or the last answer was given."""
REST_SECONDS = 2.0
"""Of the body of a request that was answered before it had come: so long its sender has to read the refusal."""
STUCK_SECONDS = 300.0
"""After which a client that takes nothing of what is sent to it is given up. A browser that pauses a film asks again by Range."""


# mypy does not look into uvicorn (pyproject.toml).
class PatientConnection(H11Protocol):  # type: ignore[misc]
    """uvicorn's connection, which waits for ever, with an end to it."""

    idle_since = 0.0
    """By the clock of the loop, where it is idle."""
    _head_timer: TimerHandle | None = None
    _stuck_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:
        """Begin to wait for the first request, unless there are too many already."""
        super().connection_made(transport)
        self._await_head(None, HEAD_SECONDS)
        if (
            len(self.connections) >= SERVED
            and not self._drop_idle()
            and len(self.connections) > TOLD
        ):
            transport.abort()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, or for a moment for the rest of this one."""
        answered, unread = self.cycle, self.conn.their_state is h11.SEND_BODY
        super().on_response_complete()
        self._await_head(answered, REST_SECONDS if unread else HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._forget_timers()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to the web socket, which has pings of its own."""
        self._forget_timers()
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        """The client takes less than it gets: wait for it, not for ever."""
        super().pause_writing()
        self._stuck_timer = self.loop.call_later(STUCK_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It took some."""
        _cancel_timer(self._stuck_timer)
        super().resume_writing()

    @property
    def is_idle(self) -> bool:
        """Whether no request of it is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _drop_idle(self) -> bool:
        """Cut off the other connection that has been idle for longest; False where none is."""
        others = (each for each in self.connections if isinstance(each, PatientConnection))
        idle = (each for each in others if each is not self and each.is_idle)
        longest = min(idle, key=lambda each: each.idle_since, default=None)
        if longest is not None:
            self.connections.discard(longest)
            longest.transport.abort()
        return longest is not None

    def _await_head(self, answered: Any, seconds: float) -> None:
        _cancel_timer(self._head_timer)
        self.idle_since = self.loop.time()
        self._head_timer = self.loop.call_later(seconds, self._give_up, answered)

    def _give_up(self, answered: Any) -> None:
        """Close it, unless another request came since `answered`."""
        if self.cycle is answered and not self.transport.is_closing():
            self.transport.close()

    def _forget_timers(self) -> None:
        _cancel_timer(self._head_timer)
        _cancel_timer(self._stuck_timer)


def _cancel_timer(timer: TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
