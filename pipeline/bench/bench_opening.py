"""How long a run on an object store takes to open: python -m pipeline.bench.bench_opening [--clips 10000] [--latency .02] [--at-once 16,64].

The records of so many clips lie in this process's memory; each is answered after so many seconds, as by a store that is some way off. What they vouch for is not fetched.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from storage.records import seal_facts
from storage.remote import store_view
from storage.remote.address import open_store
from storage.remote.record_object import COMMITS, RecordObject
from storage.remote.run_store import RunStore, StoredObject
from storage.remote.store_view import StoreView

STAGES = ("audio", "latents", "steps", "segment")
DIGEST = "0" * 64


@dataclass
class DistantStore:
    """A store that takes its time, and counts."""

    inner: RunStore
    latency: float
    url: str = "memory://bench/opening"
    asked: list[str] = field(default_factory=list)

    def get(self, name: str) -> StoredObject | None:
        """An object, some time later."""
        self.asked.append(name)
        time.sleep(self.latency)
        return self.inner.get(name)

    def list_names(self, prefix: str) -> Iterator[str]:
        """Names of the objects below a prefix."""
        return self.inner.list_names(prefix)


def fill_store(store: RunStore, clips: int) -> None:
    """Put the records there that a run of so many clips has."""
    for clip in range(clips):
        for stage in STAGES:
            facts = {"stage": stage, "clip": clip, "state": "done", "run": DIGEST, "digest": DIGEST}
            content = {f"{stage}/c.{clip}.0.0.0.0": (1 << 18, DIGEST)}
            record = RecordObject(1, 1, content, seal_facts(facts))
            store.put(f"{COMMITS}/{stage}.{clip:05d}.json", record.as_bytes())


def measure_opening(store: RunStore, latency: float) -> tuple[int, int, float]:
    """Records that were found, requests, and seconds."""
    distant = DistantStore(store, latency)
    view = StoreView(distant)  # type: ignore[arg-type]  # all of a store that a view asks for
    view.epoch, begun = 1, time.monotonic()
    found = sum(1 for _ in view.records())
    return found, len(distant.asked), time.monotonic() - begun


def main() -> None:
    """Print a line for each number of requests at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--at-once", default=str(store_view.RECORDS_AT_ONCE))
    asked = parser.parse_args()
    store = open_store("memory://bench/opening")
    fill_store(store, asked.clips)
    for at_once in map(int, asked.at_once.split(",")):
        store_view.RECORDS_AT_ONCE = at_once
        found, requests, seconds = measure_opening(store, asked.latency)
        print(
            f"{asked.clips} clips, {at_once} at a time: {found} records, {requests} requests, {seconds:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
