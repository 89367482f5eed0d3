"""One connection of HTTP, with limits on its time: a client that never ends its request, or takes nothing of the answer, keeps no place from others."""

from asyncio import TimerHandle, Transport
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

SERVED, TOLD = 400, 450
"""Connections of which each is served, and of which each is told at least that it is not (503); one beyond these is cut off. With a file each they stay below 1024 descriptors."""
HEAD_SECONDS = 20.0
"""Within which a request's head must have come, after the connection was made or the last answer was given."""
REST_SECONDS = 2.0
"""Of the body of a request that was answered before it had come: so long its sender has to read the refusal."""
STUCK_SECONDS = 300.0
"""After which a client that takes nothing of what is sent to it is given up. A browser that pauses a film asks again by Range."""


# mypy does not look into uvicorn (pyproject.toml).
class PatientConnection(H11Protocol):  # type: ignore[misc]
    """uvicorn's connection, which waits for ever, with an end to it."""

    _head_timer: TimerHandle | None = None
    _stuck_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:
        """Begin to wait for the first request, unless there are too many already."""
        super().connection_made(transport)
        if len(self.connections) > TOLD:
            transport.abort()
        else:
            self._await_head(None, HEAD_SECONDS)

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

    def _await_head(self, answered: Any, seconds: float) -> None:
        _cancel_timer(self._head_timer)
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
