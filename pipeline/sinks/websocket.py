"""Each event as a text message of JSON over a WebSocket."""

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.sinks.sink import Message

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

TIMEOUT = 10.0


class WebSocketTransport:
    """A transport that sends events over one WebSocket, opened again where it was lost."""

    batch = 64

    def __init__(self, url: str) -> None:
        self._url = url
        self._there: ClientConnection | None = None
        # With --debug the library would write every header into the log, and a token is one.
        self._quiet = logging.Logger("quiet", logging.CRITICAL + 1)

    def send(self, messages: Sequence[Message]) -> None:
        """Send the messages, then ping: the answer says that all before it were received. Raises what the library raises."""
        from websockets.sync.client import connect

        if self._there is None:
            self._there = connect(
                self._url, open_timeout=TIMEOUT, close_timeout=1.0, logger=self._quiet
            )
        try:
            for message in messages:
                self._there.send(json.dumps(message))
            if not self._there.ping().wait(TIMEOUT):
                raise TimeoutError
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the WebSocket with a closing handshake."""
        there, self._there = self._there, None
        if there is not None:
            with suppress(Exception):
                there.close()
