"""What a run on an object store asks of the store: objects by name, written whole, and two writes that depend on what is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from storage.errors import NoConditionalWrites

LARGEST_OBJECT = 256 << 20
"""Bytes of what is read into memory: records, run.json, the lease."""


Content = bytes | Path | Iterator[bytes]
"""Of an object: in memory, as a file, or in blocks of whatever length."""


@dataclass(frozen=True)
class StoredObject:
    """An object as it was read."""

    content: bytes
    tag: str
    """Which version this is, for `replace`; it says nothing else, and two readers may be given two texts."""


class RunStore(Protocol):
    """Objects below one URL. Names are relative, with slashes between their parts; every object appears whole or not at all.

    Every method raises StoreUnreachable or StoreRefused, and NoSuchBucket; all are safe from any thread.
    """

    url: str

    def put(self, name: str, content: Content) -> None:
        """Write an object, whatever is there; what is large in several parts."""

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless one of this name is there; False where one is."""

    def replace(self, name: str, content: bytes, tag: str) -> bool:
        """Write an object in place of exactly that version; False where another is there, or none."""

    def get(self, name: str) -> StoredObject | None:
        """An object; None where there is none."""

    def fetch(self, name: str, target: Path) -> bool:
        """Write the content of an object into a file, a piece at a time; False where there is none."""

    def measure(self, name: str) -> int | None:
        """Bytes of an object; None where there is none."""

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is fine."""

    def copy(self, name: str, target: str) -> None:
        """Have an object by another name as well, whatever is there; it is not sent again."""

    def list_names(self, prefix: str) -> Iterator[str]:
        """Names of the objects below a prefix, which is a whole part of their names; in no order."""


def probe_store(store: RunStore, token: str) -> None:
    """See that the store can be written and keeps both conditions; raises NoConditionalWrites. Leaves nothing there."""
    name = f"probe/{token}"
    try:
        _require_condition(store, store.create(name, b"1"), "it says that a new name is taken")
        _require_condition(store, not store.create(name, b"2"), "a second create went through")
        before = store.get(name)
        there = before is not None and before.content == b"1"
        _require_condition(store, there, "what was written does not come back")
        assert before is not None
        _require_condition(store, store.replace(name, b"3", before.tag), "no replace goes through")
        stale = store.replace(name, b"4", before.tag)
        _require_condition(store, not stale, "a replace of an older version went through")
    finally:
        store.delete(name)


def _require_condition(store: RunStore, kept: bool, flaw: str) -> None:
    if not kept:
        raise NoConditionalWrites(store.url, flaw)
