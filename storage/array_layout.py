"""How one array lies on the disk as Zarr: shape, chunks, kind, names."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ArrayLayout:
    """How an array lies on the disk."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str
    dimensions: tuple[str, ...] | None = None
    checked: bool = True
    """With a crc32c, without which a flipped bit is read as a number."""
    attributes: dict[str, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(repr(self))  # attributes have none of their own
