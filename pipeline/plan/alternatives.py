"""What else could be asked for: what would make a film fit, and what it takes with one option changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Remedy:
    """A set of changes to a request that makes its film fit."""

    flags: tuple[str, ...]
    """To be added to the command (or put in the place of what it says)."""
    costs: str
    """What it costs, in words."""
    fields: Fields
    """The same as fields of the Request."""


@dataclass(frozen=True)
class PlanVariant:
    """What a film takes with one option changed."""

    words: str
    frames_a_second: float | None
    first: float | None
    """Seconds to the first playable clip."""
    host: int
    device: int
    """Bytes."""
    disk: int
