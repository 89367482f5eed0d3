"""Decoding that is shared by machines: the one with the lease denoises everything first and takes the segments that others have decoded meanwhile.

What nobody offers it decodes itself, so it waits for no machine that is gone; only it writes records.
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from storage.publish import publish_bytes
from storage.remote.address import find_url, open_store
from storage.remote.segment_offers import (
    ClaimWatch,
    SegmentOffer,
    SegmentOffers,
    compute_key,
    first_of_block,
)
from tasks.clip_context import warm_up_clips
from tasks.events import emit_event
from tasks.loaded_model import model_traits_of

if TYPE_CHECKING:
    from storage.run import Run

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 1.0
"""Seconds between two looks for a segment that is being decoded elsewhere."""


class SharedDecoding:
    """The offers of others, as the holder of the lease takes them. Only on the main thread."""

    def __init__(self, run: "Run", offers: SegmentOffers, wait: Callable[[float], None]) -> None:
        """`wait` sleeps for so many seconds; raises Stopped."""
        self._run, self._offers, self._wait = run, offers, wait
        self._own: set[int] = set()
        """First clips of the blocks that are decoded here."""

    def take(self, clip: int) -> str | None:
        """Publish the segment of a clip as another machine has decoded it; its SHA-256. None where it is to be decoded here."""
        key = find_segment_key(self._run, clip)
        if key is None:
            return None
        offer = self._offers.find(clip, key) or self._await_offer(clip, key)
        if offer is None or offer.frames != self._run.spec.frames_in(clip):
            return None
        publish_bytes(self._run.segment_path(clip), offer.content)
        self._offers.remove(clip, key)
        emit_event("segment_taken", clip=clip, bytes=len(offer.content))
        return hashlib.sha256(offer.content).hexdigest()

    def finish(self) -> None:
        """Remove what was offered and not taken."""
        self._offers.clear()

    def _await_offer(self, clip: int, key: str) -> SegmentOffer | None:
        """The segment once it is there; None where its block is decoded here, as nobody is at it or whoever was is gone."""
        block, watch = first_of_block(clip), ClaimWatch()
        block_key = find_segment_key(self._run, block)
        if block_key is None or block in self._own:
            return None
        pause = FIRST_PAUSE
        while not self._take_block(block, block_key, watch):
            self._wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            if (offer := self._offers.find(clip, key)) is not None:
                return offer
        self._own.add(block)
        return None

    def _take_block(self, first: int, key: str, watch: ClaimWatch) -> bool:
        """Claim a block that nobody is at, or that whoever was is gone from; False while one is."""
        claim = self._offers.read_claim(first, key)
        if claim is None:
            return self._offers.claim_block(first, key)
        if watch.is_alive(claim) or not self._offers.take_claim(first, key, claim):
            return False
        emit_event("decoder_gone", clip=first)
        return True


def open_shared_decoding(run: "Run", wait: Callable[[float], None]) -> SharedDecoding | None:
    """The offers for a run; None where nobody decodes for it: it lies on this machine alone, keeps frames, or is not denoised first."""
    url = find_url(run.root)
    keeps = run.settings.keep_frames not in {"auto", "none"}
    if url is None or keeps or not run.settings.offline or not can_be_shared(run):
        return None
    return SharedDecoding(run, SegmentOffers(open_store(url)), wait)


def can_be_shared(run: "Run") -> bool:
    """True if a clip is decoded from latents alone: neither from the decoded clip before it, nor from an older take's."""
    return not run.spec.motion_latents and not run.spec.joins


def find_segment_key(run: "Run", clip: int) -> str | None:
    """The key of a clip's segment: a hash of all that it is decoded from; None where some of that is not published."""
    before = warm_up_clips(run.spec, clip, model_traits_of(run).decoder_memory)
    digests = [run.latents.digest(each) for each in (*before, clip)]
    known = [each for each in digests if each is not None]
    return compute_key(run, known) if len(known) == len(digests) else None
