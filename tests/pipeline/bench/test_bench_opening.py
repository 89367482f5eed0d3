"""What the bench of opening counts: every record, and a request for each."""

import pytest

from pipeline.bench.bench_opening import STAGES, fill_store, measure_opening
from storage.remote.address import open_store

pytest.importorskip("obstore")


def test_every_record_is_asked_for_once() -> None:
    """And the lease once."""
    store = open_store("memory://bench/test")
    fill_store(store, 30)
    found, requests, _ = measure_opening(store, 0.0)
    assert (found, requests) == (30 * len(STAGES), 30 * len(STAGES) + 1)
