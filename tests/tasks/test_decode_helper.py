"""A machine that decodes for another: the same segments, and never one under a key that it was not decoded from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.errors import NotARun, Refused
from storage.remote.address import make_working_folder, open_store
from storage.remote.segment_offers import BLOCK_CLIPS, SegmentOffer, SegmentOffers
from storage.run import Run
from tasks import decode_helper
from tasks.decode_helper import DecodeHelper, decode_for_others
from tasks.events import listen_to_events
from tasks.film import make_film
from tasks.loaded_model import load_avatar
from tasks.shared_decoding import can_be_shared, find_segment_key, open_shared_decoding
from tasks.signals import StopFlag


class Everything:
    """Stands for what brings records: all of them are here."""

    def pull_record(self, _name: str) -> bool:
        return True

    def is_done(self, _name: str) -> bool:
        return False


@pytest.fixture
def run(begin: Callable[..., Run]) -> Run:
    """A film that is there."""
    pytest.importorskip("obstore")
    made = begin(3.0)
    make_film(made)
    return made


def make_helper(run: Run, name: str) -> tuple[DecodeHelper, SegmentOffers]:
    """One that decodes for a run, and what it offers."""
    offers = SegmentOffers(open_store(f"memory://films/{name}"))
    avatar = load_avatar(run.spec, run.settings, 1)
    return DecodeHelper(run, avatar, Everything(), offers, StopFlag()), offers  # type: ignore[arg-type]  # a stand-in


def find_offer(run: Run, offers: SegmentOffers, clip: int) -> SegmentOffer | None:
    key = find_segment_key(run, clip)
    return None if key is None else offers.find(clip, key)


def change_latents(run: Run, clip: int) -> None:
    """Let the clip have other latents, as after a zombie's were replaced."""
    other = run.latents.read(clip) + 1
    run.records.withdraw("latents", clip)
    run.latents.publish(clip, other)


@pytest.mark.parametrize("clips", [(0, 1, 2, 3), (3, 1, 2, 0)])
def test_it_offers_the_bytes_that_the_film_has(
    run: Run, clips: tuple[int, ...], request: pytest.FixtureRequest
) -> None:
    """In order and out of it."""
    helper, offers = make_helper(run, request.node.name)
    for clip in clips:
        helper.offer_clip(clip)
    for clip in clips:
        offer = find_offer(run, offers, clip)
        assert offer is not None
        assert offer.content == run.segment_path(clip).read_bytes()


def test_what_the_decoder_saw_is_what_the_key_says(
    run: Run, request: pytest.FixtureRequest
) -> None:
    """The latents before a clip are written anew while a decoder goes on: it is led up to the clip again."""
    helper, offers = make_helper(run, f"{request.node.name}-going-on")
    for clip in range(2):
        helper.offer_clip(clip)
    before = find_offer(run, offers, 1)
    change_latents(run, 1)
    assert before is not None
    assert find_offer(run, offers, 1) is None, "an offer is of the latents that there were"
    helper.offer_clip(2)
    fresh, theirs = make_helper(run, f"{request.node.name}-fresh")
    fresh.offer_clip(2)
    assert find_offer(run, offers, 2) == find_offer(run, theirs, 2) is not None


def test_nothing_is_offered_of_latents_that_are_not_there(
    run: Run, request: pytest.FixtureRequest
) -> None:
    """Neither of the clip's own, nor of those that the decoder must see before."""
    helper, offers = make_helper(run, request.node.name)
    run.records.withdraw("latents", 1)
    helper.offer_clip(2)
    assert helper.count == 0
    assert find_offer(run, offers, 2) is None


def test_who_slept_decodes_one_clip_in_vain(
    run: Run, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its block is taken while it is at the first clip: it offers that, and leaves the others."""
    helper, offers = make_helper(run, request.node.name)
    real = DecodeHelper.offer_clip

    def sleep_through(self: DecodeHelper, clip: int) -> None:
        key = find_segment_key(run, 0)
        assert key is not None
        claim = offers.read_claim(0, key)
        taker = SegmentOffers(open_store(f"memory://films/{request.node.name}"))
        assert clip > 0 or (claim is not None and taker.take_claim(0, key, claim))
        real(self, clip)

    monkeypatch.setattr(DecodeHelper, "offer_clip", sleep_through)
    helper.decode_all()
    there = [clip for clip in range(run.spec.clips) if find_offer(run, offers, clip)]
    assert there == [0, *range(BLOCK_CLIPS, run.spec.clips)]


def test_a_run_in_a_folder_is_shared_with_nobody(run: Run) -> None:
    """Neither asked for, nor offered."""
    assert open_shared_decoding(run, lambda _: None) is None
    with pytest.raises(Refused, match="only of a run at a URL"):
        decode_for_others(run.root)


def test_nobody_begins_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is waited for, which is told once, and not without end."""
    monkeypatch.setenv("LONGTAKE_STORE_CACHE", str(tmp_path))
    monkeypatch.setattr(decode_helper, "PATIENCE", 0.2)
    monkeypatch.setattr(decode_helper, "LONGEST_PAUSE", 0.05)
    told: list[str] = []
    with (
        listen_to_events(lambda event, _facts: told.append(event)),
        pytest.raises(NotARun, match=r"memory://films/nobody is not a run: nobody has begun"),
    ):
        decode_for_others(make_working_folder("memory://films/nobody"))
    assert told == ["beginning_awaited"]


def test_a_clipwise_model_cannot_be_shared(
    begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a clip is made from the decoded one before it."""
    monkeypatch.setenv("FAKE_MOTION", "3")
    assert not can_be_shared(begin(3.0))
