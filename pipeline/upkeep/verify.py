"""Whether a run is whole: every record, chunk, segment and the film; what is broken, what that costs, and made again if asked."""

import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from pipeline.json_output import to_json
from pipeline.monitor.event_reader import EventTail
from pipeline.monitor.log_output import RunLog
from pipeline.monitor.progress import follow_progress, make_progress
from pipeline.signing.signature import Signature, read_signed_film
from pipeline.watermarking.screen import FoundWatermark, find_own_id
from storage.disk import count_bytes
from storage.remote.address import name_run
from storage.scan import Finding, RunScan

if TYPE_CHECKING:
    from rich.console import Console

    from storage.run import Run
    from tasks.repair import RepairCost
    from tasks.retake import RetakePlan

State = Literal["whole", "damaged", "lost"]
_MEMORY = 32
"""Of each stage, so many of its last times are averaged."""


@dataclass(frozen=True)
class LostInput:
    """A copied input, or what a join of a retake was made of, that is lost or damaged: only a person can bring it back."""

    path: str
    flaw: str
    sha256: str
    """Of the file that belongs there; empty where that lies in the run that this was taken from."""
    needed: bool
    """Whether something is still to be made from it."""


@dataclass(frozen=True)
class Verification:
    """All that `longtake verify` says of a run; `asdict` is its JSON."""

    run: str
    state: State
    """damaged: all of it can be made again; lost: some of it cannot."""
    finished: bool
    clips: int
    clips_done: int
    found: tuple[Finding, ...]
    """What is broken."""
    notes: tuple[Finding, ...]
    """What a crash left, or somebody put there; nothing has to be done about it."""
    lost: tuple[LostInput, ...]
    price: "RepairCost"
    seconds: float | None
    """That the repair will take, by the run's own events, the model's loading not counted; None where they do not say."""
    bytes_on_disk: int
    took: float
    repaired: tuple[Finding, ...] = ()
    """What was broken before, where a repair was asked for."""
    signature: Signature | None = None
    """Of the film that `longtake sign` has put beside the run's; None where there is none."""
    watermark: FoundWatermark | None = None
    """Whether the finished film carries the id that the run hides in it; None where it hides none, or the film is damaged."""

    def as_json(self) -> str:
        """The verification as one JSON object, for machines."""
        return to_json(self)


def verify_run(run: "Run", console: "Console | None" = None, *, held: bool = False) -> Verification:
    """Check every record and file of a finished, running or crashed run. Takes no lock, loads no model, writes nothing.

    `held`: the caller has the run's lock, and makes nothing meanwhile.
    """
    from tasks.repair import estimate_repair

    begun = time.monotonic()
    with _clip_progress(run, console) as watch:
        everything = list(RunScan(run, thorough=True, watch=watch, held=held).findings())
    found = tuple(each for each in everything if each.damage)
    price = estimate_repair(run, found)
    lost = (*_find_lost(run, price), *_find_lost_contexts(run, found))
    shown = len(run.records.clips("segment", run.spec.clips))
    readable = not found and run.records.complete("video")
    watermark = find_own_id(run, console) if readable and run.spec.watermark else None
    return Verification(
        run=name_run(run.root),
        state="lost" if lost else "damaged" if found else "whole",
        finished=run.records.complete("video"),
        clips=run.spec.clips,
        clips_done=shown,
        found=found,
        notes=tuple(each for each in everything if not each.damage),
        lost=lost,
        price=price,
        seconds=estimate_repair_seconds(price, measure_rates(run)),
        bytes_on_disk=count_bytes(run.root),
        took=round(time.monotonic() - begun, 3),
        signature=read_signed_film(run),
        watermark=watermark,
    )


def repair_run(
    run: "Run",
    console: "Console | None" = None,
    tell: Callable[[Verification], None] = lambda _: None,
) -> Verification:
    """Verify a run, `tell` what is broken and the price, make exactly that again, and verify it once more; drafts of a crash are removed."""
    from tasks.film import DAMAGE_PASSES
    from tasks.repair import ONLY_A_PERSON_RESTORES
    from tasks.repair import repair_run as make_again

    with run.lock():
        first = now = verify_run(run, console, held=True)
        for _ in range(DAMAGE_PASSES):
            # More than once where one loss had hidden another: without its segments nobody can say that a film is lost.
            if all(each.stage in ONLY_A_PERSON_RESTORES for each in now.found):
                break
            tell(now)
            with (
                RunLog() as journal,
                follow_progress(run.spec.clip_frames, console=console),
            ):
                journal.open(run.log_path)
                make_again(run, now.found)
            now = verify_run(run, console, held=True)
        run.sweep()
        notes = tuple(each for each in now.notes if os.path.lexists(run.root / each.path))
        return replace(now, notes=notes, repaired=() if now is first else first.found)


def measure_rates(run: "Run") -> Mapping[str, float]:
    """Mean seconds of each stage's last pieces of work in this run: `denoise` for a clip, and the stages as in records."""
    times: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_MEMORY))
    for event, facts, _ in EventTail(run.events_path).read():
        seconds = facts.get("seconds")
        if isinstance(seconds, int | float):
            if event in {"clip_denoised", "clip_replayed"}:
                times["denoise"].append(seconds)
            if event == "stage_seconds":
                times[str(facts.get("stage"))].append(seconds)
    return {stage: fmean(several) for stage, several in times.items()}


def estimate_repair_seconds(price: "RepairCost", rate: Mapping[str, float]) -> float | None:
    """Seconds that a repair will take; None where the run has not yet done what is to be done."""
    counts = {
        "denoise": len(price.denoise) + sum(map(len, price.replay)),
        "segment": len(price.decode) + price.warm_up + len(price.encode),
        "audio": len(price.hear),
        **{stage: 1 for stage in price.once if stage != "sound"},
    }
    if "sound" in price.once:
        counts["inputs"] = 1
    wanted = {stage: count for stage, count in counts.items() if count}
    if not wanted.keys() <= rate.keys():
        return None
    return sum(rate[stage] * count for stage, count in wanted.items())


def estimate_retake_seconds(old: "Run", plan: "RetakePlan") -> float | None:
    """Seconds that a retake will take, by the old run's events; None where they do not say."""
    rate = measure_rates(old)
    if plan.begun or not {"denoise", "segment"} <= rate.keys():
        return None
    made = len(plan.clips) + len(plan.missing)
    denoised, decoded = made + sum(map(len, plan.replay)), made + len(plan.redecode)
    return rate["denoise"] * denoised + rate["segment"] * decoded


def _find_lost(run: "Run", price: "RepairCost") -> Iterator[LostInput]:
    if not price.lost:
        return
    once = {"inputs", "sound", "soundtrack"}
    unmade = not all(run.records.complete(stage) for stage in once)
    needed = bool(once & {*price.once}) or unmade
    poses = bool(run.spec.pose) and (bool(price.hear) or not _has_all_poses(run))
    for path, flaw, digest in run.find_input_flaws():
        if path == run.input_paths.get("pose"):
            yield LostInput(str(path.relative_to(run.root)), flaw, digest, poses)
            continue
        yield LostInput(str(path.relative_to(run.root)), flaw, digest, needed)


def _has_all_poses(run: "Run") -> bool:
    return all(run.pose.complete(clip) for clip in range(run.spec.clips))


def _find_lost_contexts(run: "Run", found: Iterable[Finding]) -> Iterator[LostInput]:
    for each in found:
        if each.stage == "past":
            yield LostInput(
                each.path, each.flaw, "", not run.records.complete("segment", each.clip)
            )


@contextmanager
def _clip_progress(run: "Run", console: "Console | None") -> Iterator[Callable[[int], None]]:
    """A function that moves a progress bar on a terminal to a clip; it does nothing without a console."""
    if console is None:
        yield lambda _: None
        return
    with make_progress(console, transient=True) as bar:
        task = bar.add_task("reading every file", total=run.spec.clips, left="", speed="")
        yield lambda clip: bar.update(task, completed=clip + 1)
