"""Each event as the JSON body of a POST."""

import logging
from collections.abc import Sequence

from pipeline.sinks.sink import Message, Refused

TIMEOUT = 10.0
_LATER = {408, 425, 429}
"""Answers of the 400s that another time may not give."""


class Webhook:
    """A transport that POSTs events over one kept connection; an answer that is no 2xx is a failure, 4xx (but for a few) a final one."""

    batch = 1

    def __init__(self, url: str) -> None:
        import requests

        # With --debug it would write paths into the log, and a webhook's path is its secret.
        logging.getLogger("urllib3").setLevel(logging.INFO)
        self._url, self._session = url, requests.Session()

    def send(self, messages: Sequence[Message]) -> None:
        """POST the message. Raises Refused, and what requests raises."""
        for message in messages:
            # A redirected POST becomes a GET without a body: not followed.
            answer = self._session.post(
                self._url, json=message, timeout=TIMEOUT, allow_redirects=False
            )
            code = answer.status_code
            if 300 <= code < 500 and code not in _LATER:
                raise Refused(f"HTTP {code}")
            answer.raise_for_status()

    def close(self) -> None:
        """Close the connection to the webhook."""
        self._session.close()
