"""The way to an address, by its kind; what it needs is looked for before any work."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from pipeline.sinks.address import FLAG
from pipeline.sinks.sink import EventSink
from storage.errors import BadOption
from tasks import events

if TYPE_CHECKING:
    from pipeline.sinks.address import SinkAddress


class EventListener(Protocol):
    """What is told of every event; it ends in two steps, so that several end at a time."""

    def add_event(self, event: str, facts: Mapping[str, object]) -> None:
        """Take an event; never waits."""

    def end(self) -> None:
        """Begin to end; does not wait."""

    def close(self) -> None:
        """Wait for the end, as long as is allowed."""


_NEEDS = {
    "webhook": ("requests", "requests", "webhook", "Webhook"),
    "websocket": ("websockets", "websocket", "websocket", "WebSocketTransport"),
    "redis": ("redis", "redis", "redis_stream", "RedisStream"),
    "sql": ("sqlalchemy", "sql", "sql_table", "SqlTable"),
    "prometheus": ("prometheus_client", "prometheus", "prometheus_page", "PrometheusPage"),
}
"""The package behind each kind, the extra of longtake that brings it, and the file and class of ours."""


@contextmanager
def attach_sinks(addresses: "Sequence[SinkAddress]") -> Iterator[None]:
    """Tell every event of this process to each of these places meanwhile; what has not arrived a few seconds after the end is counted and given up.

    Raises BadOption where a place needs a package that is not installed.
    """
    if not addresses:
        yield
        return
    listeners = [connect_sink(address) for address in addresses]
    try:
        with ExitStack() as stack:
            for listener in listeners:
                stack.enter_context(events.listen_to_events(listener.add_event))
            yield
    finally:
        # All at once: one that does not answer takes no time from the others.
        for listener in listeners:
            listener.end()
        for listener in listeners:
            listener.close()


def connect_sink(address: "SinkAddress") -> EventListener:
    """A listener that sends events to an address. Raises BadOption where a package is missing."""
    package, extra, module, name = _NEEDS[address.kind]
    try:
        import_module(package)
        kind = getattr(import_module(f"pipeline.sinks.{module}"), name)
        if address.kind != "prometheus":
            return EventSink(address.name, kind(address.url))
        page: EventListener = kind(address)
        return page
    except ModuleNotFoundError as missing:
        hint = (
            f" (in longtake's folder: pip install '.[{extra}]')" if missing.name == package else ""
        )
        reason = f"it needs the package {missing.name}, which is not installed{hint}"
        raise BadOption(FLAG, address.name, reason) from None
