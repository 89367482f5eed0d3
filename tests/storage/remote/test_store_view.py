"""Records of a store: many are asked for at a time, and all of them are found."""

import threading

import pytest

from storage.remote.address import open_store
from storage.remote.record_object import RecordObject
from storage.remote.run_store import StoredObject
from storage.remote.store_view import RECORDS_AT_ONCE, StoreView
from tests.waiting import LONG

pytest.importorskip("obstore")


class Distant:
    """A store that answers when so many wait for it."""

    def __init__(self) -> None:
        self._inner = open_store("memory://films/distant")
        self._gate = threading.Barrier(RECORDS_AT_ONCE)
        self.url = self._inner.url
        for clip in range(3 * RECORDS_AT_ONCE):
            record = RecordObject(1, 1, {}, b"{}")
            self._inner.put(f"commits/latents.{clip:05d}.json", record.as_bytes())
        self.list_names = self._inner.list_names

    def get(self, name: str) -> StoredObject | None:
        if name.startswith("commits"):
            self._gate.wait(LONG)
        return self._inner.get(name)


def test_many_records_are_asked_for_at_a_time() -> None:
    """Where an answer takes 20 ms, the 40 000 records of 10 000 clips are read in half a minute."""
    assert RECORDS_AT_ONCE * 30 / 0.02 > 40_000
    view = StoreView(Distant())  # type: ignore[arg-type]  # what it asks of a store
    view.epoch = 1
    assert len(list(view.records())) == 3 * RECORDS_AT_ONCE
