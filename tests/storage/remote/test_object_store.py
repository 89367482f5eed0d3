"""Conditional writes whose answers are lost on the way: sent again, and what was written by ourselves is ours."""

from typing import Any

import pytest

from storage.errors import StoreUnreachable
from storage.remote import object_store
from storage.remote.address import open_store
from storage.remote.object_store import BucketStore

obstore = pytest.importorskip("obstore")


@pytest.fixture
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> BucketStore:
    """An empty one, which is asked again at once."""
    monkeypatch.setattr(object_store, "_PAUSE", 0.0)
    made = open_store(f"memory://films/{request.node.name}", patience=5)
    assert isinstance(made, BucketStore)
    return made


class Wire:
    """Loses so many answers of `obstore.put` and `obstore.delete`, or the requests themselves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, losses: int, *, arrives: bool) -> None:
        self._losses, self._arrives = losses, arrives
        for name in ("put", "delete"):
            monkeypatch.setattr(obstore, name, self._wrap(getattr(obstore, name)))

    def _wrap(self, real: Any) -> Any:
        def send(*words: Any, **named: Any) -> Any:
            lost, self._losses = self._losses > 0, self._losses - 1
            if self._arrives or not lost:
                real(*words, **named)
            if lost:
                raise obstore.exceptions.GenericError("HTTP error: error sending request")

        return send


@pytest.mark.parametrize("arrives", [True, False])
def test_a_lost_answer_is_no_refusal(
    store: BucketStore, monkeypatch: pytest.MonkeyPatch, arrives: bool
) -> None:
    """Whether or not the request came through: it is created, replaced and deleted, once."""
    store.create("lease.json", b"one")
    found = store.get("lease.json")
    assert found is not None
    Wire(monkeypatch, 2, arrives=arrives)
    assert store.replace("lease.json", b"two", found.tag)
    Wire(monkeypatch, 2, arrives=arrives)
    assert store.create("commits/a.json", b"ours")
    Wire(monkeypatch, 2, arrives=arrives)
    store.delete("commits/a.json")
    assert store.get("commits/a.json") is None


def test_what_another_has_written_stays_another_s(
    store: BucketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where our own request was lost before theirs came."""
    store.create("lease.json", b"theirs")
    Wire(monkeypatch, 1, arrives=False)
    assert not store.create("lease.json", b"ours")
    Wire(monkeypatch, 1, arrives=False)
    assert not store.replace("lease.json", b"ours", '{"e_tag": "0"}')


def test_patience_ends(store: BucketStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is never reached is told."""
    now = iter(range(0, 1000, 2))
    monkeypatch.setattr(object_store.time, "monotonic", lambda: next(now))
    Wire(monkeypatch, 100, arrives=False)
    with pytest.raises(StoreUnreachable):
        store.create("lease.json", b"ours")
