"""The way to an address, by its kind; what it needs is looked for before any work."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from pipeline.sinks.address import FLAG
from pipeline.sinks.prometheus_page import PrometheusPage
from pipeline.sinks.redis_stream import RedisStream
from pipeline.sinks.sink import EventSink
from pipeline.sinks.sql_table import SqlTable
from pipeline.sinks.webhook import Webhook
from pipeline.sinks.websocket import WebSocketTransport
from storage.errors import BadOption

if TYPE_CHECKING:
    from pipeline.sinks.address import SinkAddress


class EventListener(Protocol):
    """What is told of every event; it ends in two steps, so that several end at a time."""

    def tell(self, event: str, facts: Mapping[str, object]) -> None:
        """Take an event; never waits."""

    def end(self) -> None:
        """Begin to end; does not wait."""

    def close(self) -> None:
        """Wait for the end, as long as is allowed."""


_NEEDS = {
    "webhook": ("requests", "requests"),
    "websocket": ("websockets", "websocket"),
    "redis": ("redis", "redis"),
    "sql": ("sqlalchemy", "sql"),
    "prometheus": ("prometheus_client", "prometheus"),
}
"""The package behind each kind, and the extra of longtake that brings it."""


def connect_sink(address: "SinkAddress") -> EventListener:
    """A listener that sends events to an address. Raises BadOption where a package is missing."""
    package, extra = _NEEDS[address.kind]
    try:
        import_module(package)
        return _CONNECTORS[address.kind](address)
    except ModuleNotFoundError as missing:
        hint = (
            f" (in longtake's folder: pip install '.[{extra}]')" if missing.name == package else ""
        )
        reason = f"it needs the package {missing.name}, which is not installed{hint}"
        raise BadOption(FLAG, address.name, reason) from None


def _connect_webhook(address: "SinkAddress") -> EventListener:
    return EventSink(address.name, Webhook(address.url))


def _connect_websocket(address: "SinkAddress") -> EventListener:
    return EventSink(address.name, WebSocketTransport(address.url))


def _connect_redis(address: "SinkAddress") -> EventListener:
    return EventSink(address.name, RedisStream(address.url))


def _connect_sql(address: "SinkAddress") -> EventListener:
    return EventSink(address.name, SqlTable(address.url))


def _open_prometheus(address: "SinkAddress") -> EventListener:
    return PrometheusPage(address)


_CONNECTORS: "Mapping[str, Callable[[SinkAddress], EventListener]]" = {
    "webhook": _connect_webhook,
    "websocket": _connect_websocket,
    "redis": _connect_redis,
    "sql": _connect_sql,
    "prometheus": _open_prometheus,
}
