"""What holds in a store: the records of the newest epoch, and of those before it what its holder found when it came.

A holder that has lost the lease and does not know it may still write: its records name its own, older epoch. Each holder writes down first, once, which
records it found, by their hashes (epochs/00003.json); what came under an older epoch after that is nobody's.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from storage.errors import LeaseLost
from storage.records import seal_facts, unseal_facts
from storage.remote.lease import EPOCHS, LeaseState, find_newest_epoch
from storage.remote.lease import NAME as LEASE
from storage.remote.record_object import COMMITS, RUN, RecordObject, is_sent
from storage.remote.run_store import RunStore

RECORDS_AT_ONCE = 64
"""Records that are asked for at a time. A store answers each after some 20 ms, and a long film has tens of thousands."""
_DIGITS = 24
Item = TypeVar("Item")
Made = TypeVar("Made")


class StoreView:
    """The records that hold, as they are found now."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        lease = store.get(LEASE)
        newest = (
            LeaseState.from_bytes(lease.content, store.url).epoch
            if lease
            else find_newest_epoch(store)
        )
        # The newest holder may have died before it wrote anything.
        found = ((epoch, self._read_ledger(epoch)) for epoch in range(newest, 0, -1))
        self.epoch, self._ledger = next(
            ((epoch, ledger) for epoch, ledger in found if ledger is not None), (0, {})
        )

    def read_run(self) -> RecordObject | None:
        """What the store has of run.json, whoever wrote it; None where there is no run."""
        found = self.store.get(RUN)
        return RecordObject.from_bytes(found.content) if found else None

    def records(self) -> Iterator[tuple[str, RecordObject, str]]:
        """Each record that holds, by its path in the run, with the hash of its object; in no order."""
        names = (name for name in self.store.list_names(COMMITS) if is_sent(name))
        read = map_at_once(lambda name: (name, self.store.get(name)), names, RECORDS_AT_ONCE)
        for name, found in read:
            if found is None:
                continue
            record, digest = RecordObject.from_bytes(found.content), digest_of(found.content)
            if record is not None and self._holds(name, record, digest):
                yield name, record, digest

    def write_ledger(self, epoch: int, records: dict[str, str]) -> None:
        """Write down what the holder of an epoch found: hashes of objects by their names. What it looked at before that is older than this."""
        name = _ledger_name(epoch)
        content = seal_facts({"records": records})
        if not self.store.create(name, content):
            found = self.store.get(name)
            if found is None or found.content != content:
                raise LeaseLost(self.store.url, "another process has the same epoch")
        # Of the one before there may still be a reader.
        for old in self.store.list_names(EPOCHS):
            if old < _ledger_name(self.epoch):
                self.store.delete(old)
        self.epoch, self._ledger = epoch, records

    def _holds(self, name: str, record: RecordObject, digest: str) -> bool:
        return record.epoch == self.epoch or self._ledger.get(name) == digest

    def _read_ledger(self, epoch: int) -> dict[str, str] | None:
        found = self.store.get(_ledger_name(epoch))
        facts: Any = unseal_facts(found.content) if found else None
        return dict(facts["records"]) if facts else None


def digest_of(content: bytes) -> str:
    """By what an object is known in a ledger."""
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def map_at_once(
    make: Callable[[Item], Made], items: Iterator[Item], at_once: int
) -> Iterator[Made]:
    """What is made of each, in order; so many are made at a time, and as many wait."""
    with ThreadPoolExecutor(at_once, "store") as pool:
        waiting = deque(pool.submit(make, each) for each in islice(items, 2 * at_once))
        while waiting:
            made = waiting.popleft().result()
            waiting += [pool.submit(make, each) for each in islice(items, 1)]
            yield made


def _ledger_name(epoch: int) -> str:
    return f"{EPOCHS}/{epoch:05d}.json"
