"""Repair: exactly what was found broken is made again, by the same tasks, and what that costs is known before."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.scan import Finding
from tasks.audio import ExtractAudio
from tasks.damage import comes_again, withdraw
from tasks.decode import DecodeClip
from tasks.denoise import DenoiseClip
from tasks.events import emit
from tasks.film import EncodeSoundtrack, MuxVideo, build_missing
from tasks.inputs import EncodeInputs
from tasks.part import Part
from tasks.past import warm_up
from tasks.route import find_route
from tasks.session import Session, traits_of, working
from tasks.stopping import heeded
from tasks.windows import ClipKind, build, windows

if TYPE_CHECKING:
    from storage.run import Run

FROM_DENOISER = ("latents", "steps")
LOST = ("input", "past")
FROM_DECODER = ("segment", "frames", "motion")
MADE_BY: tuple[tuple[ClipKind, tuple[str, ...]], ...] = (
    (DenoiseClip, FROM_DENOISER),
    (DecodeClip, FROM_DECODER),
    (ExtractAudio, ("audio",)),
)


@dataclass(frozen=True)
class Price:
    """What it takes to make whole what was found broken; clips, in order."""

    denoise: tuple[int, ...]
    replay: tuple[range, ...]
    """Denoised again only to come to those, from the newest whole carry before each."""
    copy: tuple[int, ...]
    """Latents that are still there as the last of their steps."""
    decode: tuple[int, ...]
    warm_up: int
    """Clips that the decoder must see again, to come to those."""
    encode: tuple[int, ...]
    """From their frames, without any model."""
    hear: tuple[int, ...]
    once: tuple[str, ...]
    """Of inputs, sound, soundtrack, video."""
    drop: tuple[int, ...]
    """Carries that are removed and not missed."""
    rewrite: tuple[str, ...]
    """Small files that follow from the spec."""
    lost: tuple[str, ...]
    """What only a person can bring back: copied inputs, and what a join of a retake was made of."""


def price_of(run: "Run", found: Iterable[Finding]) -> Price:
    """The price of repairing these."""
    found = [each for each in found if each.damage]
    again = [each for each in found if comes_again(run, each)]
    denoise = _clips(again, FROM_DENOISER)
    steps = set(_clips(found, ("steps",)))
    copy = [clip for clip in denoise if clip not in steps and run.steps.complete(clip)]
    denoise = [clip for clip in denoise if clip not in copy]
    shown = _clips(again, FROM_DECODER)
    unseen = set(_clips(again, ("frames", "motion")))
    encode = [clip for clip in shown if clip not in unseen and run.frames.complete(clip)]
    decode = [clip for clip in shown if clip not in encode]
    carries = _clips(found, ("carry",))
    stages = [each.stage for each in found]
    return Price(
        denoise=tuple(denoise),
        replay=tuple(_replays(run, denoise, set(carries))),
        copy=tuple(copy),
        decode=tuple(decode),
        warm_up=sum(_seen_again(run, decode)),
        encode=tuple(encode),
        hear=tuple(_clips(found, ("audio",))),
        once=tuple(one for one in ("inputs", "sound", "soundtrack", "video") if one in stages),
        drop=tuple(carries),
        rewrite=tuple(e.path for e in found if e.stage in {"run", "layout", "present"}),
        lost=tuple(each.path for each in found if each.stage in LOST),
    )


def repair(run: "Run", found: Iterable[Finding]) -> None:
    """Withdraw these and make them again, nothing else: a film that was not finished is not finished by it.

    Takes the run's lock. Raises InputDamaged where a lost input is needed, and what `make` raises.
    """
    found = [each for each in found if each.damage]
    # Alone: what lies ahead was not asked for, and is not in the price.
    with heeded() as stop, working(run, Part(alone=True), stop) as session:
        shown = {each.clip for each in found if each.stage in FROM_DECODER}
        emit("repair_started", files=len(found), clips=len(shown))
        withdraw(run, found)
        mend(session, found)


def mend(session: Session, found: list[Finding]) -> None:
    """Let Luigi make what was withdrawn; what is made once first where clips are made of it."""
    run, stages = session.run, {each.stage for each in found}
    again = [each for each in found if comes_again(run, each)]
    if stages & {"inputs", "sound"}:
        build_missing(session, EncodeInputs, True)
    for kind, made in MADE_BY:
        for window in windows(session, kind, _clips(again, made)):
            build(session, window, True)
    for stage, task in (("soundtrack", EncodeSoundtrack), ("video", MuxVideo)):
        if stage in stages:
            build_missing(session, task, True)


def _clips(found: Iterable[Finding], stages: Container[str]) -> list[int]:
    return sorted({each.clip for each in found if each.stage in stages and each.clip is not None})


def _replays(run: "Run", denoise: Iterable[int], lost: set[int]) -> Iterator[range]:
    """The clips that the denoiser passes on its way to each of these, as generator.py goes."""
    standing, carries = None, run.carry.complete - lost
    for clip in denoise:
        route = find_route(run.spec, clip, carries, standing)
        if route.replay:
            yield route.replay
        standing = route.stand_before(clip + 1)


def _seen_again(run: "Run", decode: Iterable[int]) -> Iterator[int]:
    memory = 0 if run.spec.motion_latents else traits_of(run).decoder_memory
    before = None
    for clip in decode:
        if before != clip - 1:
            yield len(warm_up(run.spec, clip, memory))
        before = clip
