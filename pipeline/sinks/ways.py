"""The way to an address, by its kind; what it needs is looked for before any work."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from storage.errors import BadOption

if TYPE_CHECKING:
    from pipeline.sinks.address import Address


class Listening(Protocol):
    """What hears of every event, and is ended in two steps, so that several end at a time."""

    def tell(self, event: str, facts: Mapping[str, object]) -> None:
        """Take note; never wait."""

    def end(self) -> None:
        """Begin to end."""

    def close(self) -> None:
        """End."""


_NEEDS = {
    "webhook": ("requests", "requests"),
    "websocket": ("websockets", "websocket"),
    "redis": ("redis", "redis"),
    "sql": ("sqlalchemy", "sql"),
    "prometheus": ("prometheus_client", "prometheus"),
}
"""The package behind each kind, and the extra of longtake that brings it."""


def open_way(address: "Address") -> Listening:
    """A listener that brings events there; raises BadOption where a package is missing."""
    from pipeline.sinks.address import FLAG

    package, extra = _NEEDS[address.kind]
    try:
        import_module(package)
        return _OPEN[address.kind](address)
    except ModuleNotFoundError as missing:
        way = (
            f" (in longtake's folder: pip install '.[{extra}]')" if missing.name == package else ""
        )
        reason = f"it needs the package {missing.name}, which is not installed{way}"
        raise BadOption(FLAG, address.name, reason) from None


def _webhook(address: "Address") -> Listening:
    from pipeline.sinks.sink import Sink
    from pipeline.sinks.webhook import Webhook

    return Sink(address.name, Webhook(address.url))


def _websocket(address: "Address") -> Listening:
    from pipeline.sinks.sink import Sink
    from pipeline.sinks.websocket import Socket

    return Sink(address.name, Socket(address.url))


def _redis(address: "Address") -> Listening:
    from pipeline.sinks.sink import Sink
    from pipeline.sinks.stream import Stream

    return Sink(address.name, Stream(address.url))


def _sql(address: "Address") -> Listening:
    from pipeline.sinks.sink import Sink
    from pipeline.sinks.table import Table

    return Sink(address.name, Table(address.url))


def _prometheus(address: "Address") -> Listening:
    from pipeline.sinks.metrics import Page

    return Page(address)


_OPEN: "Mapping[str, Callable[[Address], Listening]]" = {
    "webhook": _webhook,
    "websocket": _websocket,
    "redis": _redis,
    "sql": _sql,
    "prometheus": _prometheus,
}
