"""A place that events are sent to: what kind it is, and its name without what is secret in it."""

import re
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pipeline.options.config_file import CONFIG_FILE, read_toml
from storage.errors import BadOption

FLAG, VARIABLE, KEY = "--events-to", "LONGTAKE_EVENTS_TO", "events_to"


@dataclass(frozen=True)
class UrlOption:
    """A flag that takes URLs, and where they may stand instead."""

    flag: str
    variable: str
    """Of the environment; several with spaces between."""
    key: str
    """Of longtake.toml, a list."""


EVENTS = UrlOption(FLAG, VARIABLE, KEY)
Kind = Literal["webhook", "websocket", "redis", "prometheus", "sql"]
_KINDS: dict[str, Kind] = {
    "http": "webhook",
    "https": "webhook",
    "ws": "websocket",
    "wss": "websocket",
    "redis": "redis",
    "rediss": "redis",
    "unix": "redis",
    "prometheus": "prometheus",
}
_HIDDEN = "…"
"""Stands for a URL in a message: a name, a password, a path and a query may each be a secret."""


@dataclass(frozen=True)
class SinkAddress:
    """One place that events are sent to: its URL, its kind, and its name without secrets."""

    kind: Kind
    url: str = field(repr=False)
    name: str
    """Its scheme, host and port: all that any message says of it."""


def add_events_to(parser: ArgumentParser) -> None:
    """Add --events-to to a parser."""
    parser.add_argument(
        FLAG,
        action="append",
        default=[],
        metavar="URL",
        help=f"Also send every event there, again for each place: http(s), ws(s), redis, prometheus://HOST:PORT, or any SQLAlchemy URL. With a secret in it rather {VARIABLE}.",
    )


def choose_addresses(
    given: object, environment: Mapping[str, str], folder: Path
) -> tuple[SinkAddress, ...]:
    """The places that the flag names, or else the environment, or else longtake.toml. Raises BadOption."""
    urls = choose_urls(EVENTS, given, environment, folder)
    return tuple(read_address(url, place) for url, place in urls)


def choose_urls(
    option: UrlOption, given: object, environment: Mapping[str, str], folder: Path
) -> list[tuple[str, str]]:
    """The URLs that a flag names, or else the environment, or else longtake.toml in a folder, each with the place where it stands. Raises BadOption."""
    flags = [str(each) for each in given] if isinstance(given, list) else []
    for words, place in (
        (flags, option.flag),
        (environment.get(option.variable, "").split(), option.variable),
        (_read_config(folder, option.key), f"{CONFIG_FILE}: {option.key}"),
    ):
        if words:
            return [(word, place) for word in dict.fromkeys(words)]
    return []


def _read_config(folder: Path, key: str) -> Sequence[str]:
    path = folder / CONFIG_FILE
    said = read_toml(path).get(key, []) if path.is_file() else []
    if not isinstance(said, str | list) or not all(isinstance(each, str) for each in said):
        raise BadOption(
            f"{CONFIG_FILE}: {key}", _HIDDEN, 'a list is needed, such as ["redis://host"]'
        )
    return [said] if isinstance(said, str) else said


def read_address(url: str, place: str) -> SinkAddress:
    """The address of a URL that stands in `place`. Raises BadOption, which does not show the URL."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise BadOption(place, _HIDDEN, "its host or port cannot be read") from None
    if not re.fullmatch(r"[a-z][a-z0-9+_]*", parts.scheme) or "://" not in url:
        reason = "a URL is needed, such as https://host/path or redis://host"
        raise BadOption(place, _HIDDEN, reason)
    kind = _KINDS.get(parts.scheme, "sql")
    name = f"{parts.scheme}://{parts.hostname or ''}{port}"
    if kind in {"webhook", "websocket"} and not parts.hostname:
        raise BadOption(place, name, "it names no host")
    if kind == "prometheus" and not parts.port:
        raise BadOption(place, name, "it names no port, as in prometheus://127.0.0.1:9108")
    return SinkAddress(kind, url, name)
