"""Segments that machines without the lease of a run have decoded, as they lie on its store until the lease's holder takes them.

    offers/segment.00007.KEY      {"bytes":…,"frames":48,"sha256":"…","seal":"…"}, and the segment's file after that line
    offers/block.00001.KEY.json   who decodes the clips of a block, and how far that has come

KEY is the hash of all that a segment is decoded from. An offer is no record and vouches for nothing: the holder asks for the key of the latents that it has
itself, so what somebody decoded who slept, or had other latents, is asked for by nobody.
"""

import hashlib
import json
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from storage.errors import RunError
from storage.records import seal_facts, unseal_facts
from storage.remote.lease import read_clock, read_ttl
from storage.remote.run_store import RunStore
from storage.schema import TableWith, Text, Unfit, Whole
from storage.seed_history import DIGEST

if TYPE_CHECKING:
    from storage.run import Run

OFFERS = "offers"
BLOCK_CLIPS = 4
"""Clips that one machine decodes one after the other, as its decoder need be led up to the first alone."""
KEY_DIGITS = 16
_HEAD = TableWith(
    {"sha256": Text(64, DIGEST), "bytes": Whole(1, 1 << 40), "frames": Whole(1, 1 << 32)}
)


@dataclass(frozen=True)
class SegmentOffer:
    """A segment that another machine has decoded."""

    content: bytes
    """The file."""
    frames: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self | None:
        """The offer out of its object; None where it is none, or not whole."""
        head, _, content = data.partition(b"\n")
        facts: Any = unseal_facts(head + b"\n")
        try:
            _HEAD(facts)
        except Unfit:
            return None
        digest = hashlib.sha256(content).hexdigest()
        whole = (facts["sha256"], facts["bytes"]) == (digest, len(content))
        return cls(content, facts["frames"]) if whole else None

    def as_bytes(self) -> bytes:
        """The object."""
        digest = hashlib.sha256(self.content).hexdigest()
        facts = {"sha256": digest, "bytes": len(self.content), "frames": self.frames}
        return seal_facts(facts) + self.content


class SegmentOffers:
    """The offers of one run. Every method raises StoreUnreachable and StoreRefused."""

    def __init__(self, store: RunStore) -> None:
        self._store, self._token = store, secrets.token_hex(8)

    def put(self, clip: int, key: str, offer: SegmentOffer) -> None:
        """Offer the segment of a clip."""
        self._store.put(_segment_name(clip, key), offer.as_bytes())

    def find(self, clip: int, key: str) -> SegmentOffer | None:
        """The segment that was decoded from exactly that; None where none is offered."""
        found = self._store.get(_segment_name(clip, key))
        return SegmentOffer.from_bytes(found.content) if found else None

    def remove(self, clip: int, key: str) -> None:
        """Remove an offer that was taken."""
        self._store.delete(_segment_name(clip, key))

    def claim_block(self, clip: int, key: str) -> bool:
        """Say that the block which begins with a clip is decoded here; False where another has said so."""
        return self._store.create(_block_name(clip, key), self._progress(0))

    def renew_claim(self, clip: int, key: str, count: int) -> bool:
        """Show that the block's decoding goes on; `count` is another each time. False where the block is another's by now: whoever slept leaves it."""
        found = self._store.get(_block_name(clip, key))
        facts = unseal_facts(found.content) if found else None
        if found is None or facts is None or facts.get("by") != self._token:
            return False
        return self._store.replace(_block_name(clip, key), self._progress(count), found.tag)

    def take_claim(self, clip: int, key: str, claim: bytes) -> bool:
        """Take a block from one that is gone, whose claim still says what it said; False where that has changed."""
        found = self._store.get(_block_name(clip, key))
        if found is None or found.content != claim:
            return False
        return self._store.replace(_block_name(clip, key), self._progress(0), found.tag)

    def read_claim(self, clip: int, key: str) -> bytes | None:
        """What a block's claim says, to be compared with what it says later; None where there is none."""
        found = self._store.get(_block_name(clip, key))
        return found.content if found else None

    def clear(self) -> None:
        """Remove all offers and claims, as far as the store lets it: the film is there."""
        with suppress(RunError):
            for name in list(self._store.list_names(OFFERS)):
                self._store.delete(name)

    def _progress(self, count: int) -> bytes:
        return seal_facts({"by": self._token, "count": count})


class ClaimWatch:
    """Whether whoever has claimed a block still decodes: it is taken for gone once nothing has changed for a lease's time to live, by our own clock."""

    def __init__(self) -> None:
        self._seen, self._since, self._ttl = b"", read_clock(), read_ttl()

    def is_alive(self, claim: bytes | None) -> bool:
        """True while the claim changes, or has not been looked at for long."""
        if claim is None:
            return False
        if claim != self._seen:
            self._seen, self._since = claim, read_clock()
        return read_clock() - self._since < self._ttl


def first_of_block(clip: int) -> int:
    """The first clip of the block that a clip belongs to."""
    return clip - clip % BLOCK_CLIPS


def compute_key(run: "Run", digests: list[str]) -> str:
    """A hash of what a segment is decoded from: the spec, the numerics, and these digests of the latents that the decoder sees, in their order."""
    numerics = json.dumps(dict(run.fingerprint), sort_keys=True)
    whole = json.dumps([run.spec.digest, numerics, digests])
    return hashlib.sha256(whole.encode()).hexdigest()[:KEY_DIGITS]


def _segment_name(clip: int, key: str) -> str:
    return f"{OFFERS}/segment.{clip:05d}.{key}"


def _block_name(clip: int, key: str) -> str:
    return f"{OFFERS}/block.{clip // BLOCK_CLIPS:05d}.{key}.json"
