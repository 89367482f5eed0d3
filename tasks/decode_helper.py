"""A machine that decodes clips of a film which another machine makes: block by block, from latents as they come to the store; it publishes nothing."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import Interrupted, NotARun, OtherNumerics, Refused, Terminated
from storage.records import name_of
from storage.remote.address import find_url
from storage.remote.record_object import COMMITS
from storage.remote.segment_offers import (
    BLOCK_CLIPS,
    SegmentOffer,
    SegmentOffers,
    first_of_block,
)
from storage.remote.store_pull import Puller
from storage.remote.store_run import hold_copy
from storage.segments import EncoderConfig, encode_h264
from tasks.clip import draw_marks
from tasks.clip_context import warm_up_clips
from tasks.events import emit_event
from tasks.loaded_model import (
    describe_numerics_difference,
    load_avatar,
    position_decoder,
    require_own_weights,
)
from tasks.open_run import open_run
from tasks.shared_decoding import can_be_shared, find_segment_key
from tasks.signals import StopFlag, Stopped, handle_signals

if TYPE_CHECKING:
    from model.avatar import Avatar, Decoder
    from storage.run import Run

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
"""Seconds between two looks for what is not there yet."""
PATIENCE = 600.0
"""Seconds for which a run is waited for that nobody has begun: two commands that people give together, the first of which may have a model to fetch."""


class DecodeHelper:
    """Decodes clips of one run, and offers their segments."""

    def __init__(
        self,
        run: "Run",
        avatar: "Avatar",
        puller: Puller,
        offers: SegmentOffers,
        stop: StopFlag,
    ) -> None:
        self._run, self._avatar, self._puller = run, avatar, puller
        self._offers, self._stop = offers, stop
        self._decoder: Decoder | None = None
        self._seen: dict[int, str | None] = {}
        """Digests of the latents that the decoder has seen, by clip."""
        self.count = 0
        """Clips that were offered so far."""

    def decode_all(self) -> None:
        """Go through the film's blocks and decode those that nobody is at, until all are taken or the film is there. Raises Stopped, and what the store raises."""
        for first in range(0, self._run.spec.clips, BLOCK_CLIPS):
            if not self._wait_for_latents(first):
                return
            if self._puller.is_done(_record("segment", first)):
                continue
            key = find_segment_key(self._run, first)
            if key is not None and self._offers.claim_block(first, key):
                self._decode_block(first, key)

    def _decode_block(self, first: int, key: str) -> None:
        for clip in range(first, min(first + BLOCK_CLIPS, self._run.spec.clips)):
            if not self._wait_for_latents(clip) or not self._offers.renew_claim(
                first, key, clip + 1
            ):
                return
            self.offer_clip(clip)

    def offer_clip(self, clip: int) -> None:
        """Decode a clip whose latents are here, and offer its segment; nothing where some of them are not."""
        begun, run, spec = time.monotonic(), self._run, self._run.spec
        key = find_segment_key(run, clip)
        if key is None:
            return
        decoder, latents = self._position_decoder(clip), run.latents.read(clip)
        self._decoder = None  # lost if it fails, as its state then is
        frames = draw_marks(spec, clip, decoder.decode(latents))
        self._decoder, self._seen[clip] = decoder, run.latents.digest(clip)
        content = encode_h264(frames, EncoderConfig.of_spec(spec))
        self._offers.put(clip, key, SegmentOffer(content, len(frames)))
        self.count += 1
        emit_event("segment_offered", clip=clip, seconds=round(time.monotonic() - begun, 4))

    def _position_decoder(self, clip: int) -> "Decoder":
        """The decoder before a clip. The one that is there only if it has seen the latents that are there now: the key is made of these, and another holder may have written them anew."""
        run, decoder = self._run, self._decoder
        before = self._clips_before(clip)
        now = {each: run.latents.digest(each) for each in before}
        streams = decoder is not None and decoder.next_clip == clip and clip not in run.spec.cuts
        if decoder is None or not streams or any(self._seen.get(n) != now[n] for n in before):
            decoder = position_decoder(run, self._avatar, clip)
        self._seen = dict(now)
        return decoder

    def _clips_before(self, clip: int) -> range:
        return warm_up_clips(self._run.spec, clip, self._avatar.traits.decoder_memory)

    def _wait_for_latents(self, clip: int) -> bool:
        """Bring the latents that a clip is decoded from, once they are there; False where the film is there before."""
        # Once a block: what another holder writes anew meanwhile costs offers that nobody asks for, and never a byte.
        before = self._clips_before(clip) if clip == first_of_block(clip) else ()
        return all(self._wait_for_record(_record("latents", each)) for each in (*before, clip))

    def _wait_for_record(self, name: str) -> bool:
        pause = FIRST_PAUSE
        while not self._puller.pull_record(name):
            # Asked for as seldom as the pause is long: nothing hangs on when it is seen.
            if pause == LONGEST_PAUSE and self._puller.is_done(_record("video", None)):
                return False
            self._stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return True


def decode_for_others(root: Path) -> int | None:
    """Decode clips of the film that another machine makes of the run in a working folder, until there are none left; how many, or None where the film is whole already.

    It may come before the run is begun, and waits for that. Raises Refused where its clips cannot be shared, NotARun where no run was begun in good time, OtherNumerics, WeightsReplaced, RunLocked,
    Interrupted, Terminated, and what the store raises.
    """
    url = find_url(root)
    if url is None:
        raise Refused("--stages decode", "only of a run at a URL do several machines decode")
    with handle_signals() as stop:
        try:
            waiting = BeginningWait(url, stop)
            with hold_copy(root, waiting.wait) as (puller, store):
                while not puller.pull_beginning():
                    waiting.wait()
                if puller.is_done(_record("video", None)):
                    return None  # before a model is loaded that this machine may not have
                run = open_run(root)
                helper = DecodeHelper(run, _load_decoder(run), puller, SegmentOffers(store), stop)
                helper.decode_all()
        except Stopped as stopped:
            kind = Terminated if str(stopped) == "SIGTERM" else Interrupted
            raise kind(str(stopped), "the same command") from None
    return helper.count


class BeginningWait:
    """Waits until another machine has begun a run; told once, and not without end."""

    def __init__(self, url: str, stop: StopFlag) -> None:
        self._url, self._stop, self._end = url, stop, 0.0

    def wait(self) -> None:
        """Pause between two looks; raises NotARun when that has lasted too long, and Stopped."""
        now = time.monotonic()
        if not self._end:
            self._end = now + PATIENCE
            emit_event("beginning_awaited", url=self._url, seconds=PATIENCE)
        if now > self._end:
            raise NotARun(self._url, f"nobody has begun one within {PATIENCE:.0f} s")
        self._stop.wait(LONGEST_PAUSE)


def _load_decoder(run: "Run") -> "Avatar":
    """The model, where it gives the bits of the machine that the film was begun on."""
    if not can_be_shared(run):
        reason = "of this film a clip is decoded from more than its latents; --stages decode is of no use"
        raise Refused("--stages decode", reason)
    require_own_weights(run)
    begun = run.fingerprint
    avatar = load_avatar(run.spec, run.settings, int(begun.get("threads", 1)))
    if begun.get("probe") != avatar.numerics.get("probe"):
        avatar.require_precision()
    if other := describe_numerics_difference(begun, avatar.numerics):
        raise OtherNumerics(run.root, other)
    return avatar


def _record(stage: str, clip: int | None) -> str:
    return f"{COMMITS}/{name_of(stage, clip)}"
