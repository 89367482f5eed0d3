"""Each event as an entry of a Redis stream: XREAD, consumer groups and Redis' own tools read it."""

import json
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pipeline.sinks.sink import Message

TIMEOUT = 10.0
NAME = "longtake"
"""Of the stream, unless the URL says `?stream=…`."""
LONGEST = 100_000
"""Entries, about: Redis drops the oldest."""


class RedisStream:
    """A transport that appends events to a Redis stream; it connects at the first message."""

    batch = 64

    def __init__(self, url: str) -> None:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        self._name = query.pop("stream", NAME)
        plain = urlunsplit(parts._replace(query=urlencode(query)))
        self._redis = Redis.from_url(
            plain,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),  # the sink tries again by itself
        )

    def send(self, messages: Sequence[Message]) -> None:
        """Append the messages to the stream, all or none."""
        with self._redis.pipeline(transaction=True) as pipe:
            for message in messages:
                entry = {"event": str(message["event"]), "data": json.dumps(message)}
                pipe.xadd(self._name, entry, maxlen=LONGEST, approximate=True)
            pipe.execute()

    def close(self) -> None:
        """Close the connection to Redis."""
        self._redis.close()
