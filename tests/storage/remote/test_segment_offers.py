"""Segments that others have decoded: whole or not there, one decoder a block, and a decoder that stands still is known."""

import pytest

from storage.remote import segment_offers
from storage.remote.run_store import RunStore
from storage.remote.segment_offers import (
    BLOCK_CLIPS,
    ClaimWatch,
    SegmentOffer,
    SegmentOffers,
    first_of_block,
)

OFFER = SegmentOffer(b"a segment\n\x00\xff" * 100, 48)


def test_an_offer_comes_back_under_its_own_key_alone(store: RunStore) -> None:
    """Of other latents nothing is offered, nor once it was removed."""
    offers = SegmentOffers(store)
    offers.put(7, "key", OFFER)
    assert offers.find(7, "key") == OFFER
    assert offers.find(7, "other") is None
    assert offers.find(8, "key") is None
    offers.remove(7, "key")
    assert offers.find(7, "key") is None


@pytest.mark.parametrize("at", [0, 20, 200, -1])
def test_a_turned_bit_makes_it_none(at: int) -> None:
    """In the line before it, and in the segment."""
    data = bytearray(OFFER.as_bytes())
    data[at] ^= 1
    assert SegmentOffer.from_bytes(OFFER.as_bytes()) == OFFER
    assert SegmentOffer.from_bytes(bytes(data)) is None


def test_what_was_cut_short_is_none() -> None:
    """Wherever it ends."""
    data = OFFER.as_bytes()
    assert not any(SegmentOffer.from_bytes(data[:end]) for end in range(0, len(data), 7))


def test_a_block_is_claimed_by_one(store: RunStore) -> None:
    """Two ask for it; the next block is another's to take."""
    one, other = SegmentOffers(store), SegmentOffers(store)
    assert one.claim_block(0, "key")
    assert not other.claim_block(0, "key")
    assert other.claim_block(BLOCK_CLIPS, "key")


def test_a_block_is_taken_from_one_that_is_gone(store: RunStore) -> None:
    """Only as it was seen last; who had it is told when it goes on, and cannot take it back."""
    one, other = SegmentOffers(store), SegmentOffers(store)
    one.claim_block(0, "key")
    seen = other.read_claim(0, "key")
    assert seen is not None
    assert one.renew_claim(0, "key", 1)
    assert not other.take_claim(0, "key", seen)
    seen = other.read_claim(0, "key")
    assert seen is not None
    assert other.take_claim(0, "key", seen)
    assert not one.renew_claim(0, "key", 2)
    assert other.renew_claim(0, "key", 1)
    other.clear()
    assert not one.renew_claim(0, "key", 2)


def test_clearing_leaves_nothing(store: RunStore) -> None:
    """Neither offers nor claims; of the rest, all."""
    offers = SegmentOffers(store)
    offers.put(7, "key", OFFER)
    offers.claim_block(4, "key")
    store.put("run.json", b"{}")
    offers.clear()
    assert list(store.list_names("offers")) == []
    assert store.get("run.json") is not None


def test_a_claim_that_changes_is_alive(monkeypatch: pytest.MonkeyPatch, store: RunStore) -> None:
    """By our own clock: a time to live after its last change it is not, and what is not there never was."""
    now = [100.0]
    monkeypatch.setattr(segment_offers, "read_clock", lambda: now[0])
    monkeypatch.setenv("LONGTAKE_LEASE_TTL", "10")
    offers, watch = SegmentOffers(store), ClaimWatch()
    offers.claim_block(0, "key")
    assert watch.is_alive(offers.read_claim(0, "key"))
    now[0] += 9
    offers.renew_claim(0, "key", 1)
    assert watch.is_alive(offers.read_claim(0, "key"))
    now[0] += 9
    assert watch.is_alive(offers.read_claim(0, "key"))
    now[0] += 2
    assert not watch.is_alive(offers.read_claim(0, "key"))
    assert not ClaimWatch().is_alive(offers.read_claim(4, "key"))


def test_blocks_begin_at_multiples() -> None:
    """Of so many clips."""
    assert [first_of_block(clip) for clip in (0, 3, 4, 9)] == [0, 0, 4, 8]
