"""Repair: exactly what was found broken is made again, by the same tasks, and what that costs is known before."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import luigi

from storage.names import LIVE
from storage.scan import Finding
from tasks.audio import ExtractAudio
from tasks.clip import DecodeClip, DenoiseClip
from tasks.clip_context import warm_up_clips
from tasks.damage import is_made_again, withdraw_findings
from tasks.events import emit_event
from tasks.film import EncodeSoundtrack, MuxVideo, missing_tasks
from tasks.film_part import FilmPart
from tasks.inputs import EncodeInputs
from tasks.live_film import LiveFilm
from tasks.loaded_model import model_traits_of
from tasks.luigi_batches import ClipKind, luigi_settings, make_batches, require_built
from tasks.route import clips_replayed
from tasks.session import Session, open_session
from tasks.signals import handle_signals

if TYPE_CHECKING:
    from storage.run import Run

FROM_DENOISER = ("latents", "steps")
ONLY_A_PERSON_RESTORES = ("input", "past")
FROM_INPUTS = ("audio", "pose")
FROM_DECODER = ("segment", "frames", "motion")
MADE_BY: tuple[tuple[ClipKind, tuple[str, ...]], ...] = (
    (DenoiseClip, FROM_DENOISER),
    (DecodeClip, FROM_DECODER),
    (ExtractAudio, FROM_INPUTS),
)


@dataclass(frozen=True)
class RepairCost:
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
    """Files that follow from the spec, or of a live film from its clips."""
    lost: tuple[str, ...]
    """What only a person can bring back: copied inputs, and what a join of a retake was made of."""


def estimate_repair(run: "Run", found: Iterable[Finding]) -> RepairCost:
    """The price of repairing these."""
    found = [each for each in found if each.damage]
    again = [each for each in found if is_made_again(run, each)]
    denoise = _clips_of(again, FROM_DENOISER)
    steps = set(_clips_of(found, ("steps",)))
    copy = [clip for clip in denoise if clip not in steps and run.steps.complete(clip)]
    denoise = [clip for clip in denoise if clip not in copy]
    shown = _clips_of(again, FROM_DECODER)
    unseen = set(_clips_of(again, ("frames", "motion")))
    encode = [clip for clip in shown if clip not in unseen and run.frames.complete(clip)]
    decode = [clip for clip in shown if clip not in encode]
    carries = _clips_of(found, ("carry",))
    stages = [each.stage for each in found]
    return RepairCost(
        denoise=tuple(denoise),
        replay=tuple(clips_replayed(run.spec, denoise, run.carry.complete - set(carries))),
        copy=tuple(copy),
        decode=tuple(decode),
        warm_up=sum(_clips_redecoded(run, decode)),
        encode=tuple(encode),
        hear=tuple(_clips_of(found, FROM_INPUTS)),
        once=tuple(one for one in ("inputs", "sound", "soundtrack", "video") if one in stages),
        drop=tuple(carries),
        rewrite=tuple(e.path for e in found if e.stage in {"run", "layout", "present", LIVE}),
        lost=tuple(each.path for each in found if each.stage in ONLY_A_PERSON_RESTORES),
    )


def repair_run(run: "Run", found: Iterable[Finding]) -> None:
    """Withdraw these and make them again, nothing else: a film that was not finished is not finished by it.

    Takes the run's lock. Raises InputDamaged where a lost input is needed, and what `make` raises.
    """
    found = [each for each in found if each.damage]
    # Alone: what lies ahead was not asked for, and is not in the price.
    with handle_signals() as stop, open_session(run, FilmPart(alone=True), stop) as session:
        shown = {each.clip for each in found if each.stage in FROM_DECODER}
        emit_event("repair_started", files=len(found), clips=len(shown))
        withdraw_findings(run, found)
        for task in require_built(session, repair_tasks(session, found)):
            luigi.build([task], **luigi_settings(True))
        if any(each.stage == LIVE for each in found):
            LiveFilm(run, wanted=True).restore(session.pulse)


def repair_tasks(session: Session, found: list[Finding]) -> Iterator[luigi.Task]:
    """What Luigi is to make of what was withdrawn; what is made once first where clips are made of it."""
    run, stages = session.run, {each.stage for each in found}
    again = [each for each in found if is_made_again(run, each)]
    if stages & {"inputs", "sound"}:
        yield from missing_tasks(session, EncodeInputs)
    for kind, made in MADE_BY:
        yield from make_batches(session, kind, _clips_of(again, made))
    for stage, task in (("soundtrack", EncodeSoundtrack), ("video", MuxVideo)):
        if stage in stages:
            yield from missing_tasks(session, task)


def _clips_of(found: Iterable[Finding], stages: Container[str]) -> list[int]:
    return sorted({each.clip for each in found if each.stage in stages and each.clip is not None})


def _clips_redecoded(run: "Run", decode: Iterable[int]) -> Iterator[int]:
    memory = 0 if run.spec.motion_latents else model_traits_of(run).decoder_memory
    before = None
    for clip in decode:
        if before != clip - 1:
            yield len(warm_up_clips(run.spec, clip, memory))
        before = clip
