"""What one film takes of one machine, part by part, by the arithmetic that the run itself uses."""

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from model import registry
from pipeline.input_notes import lines_about
from pipeline.json_output import to_json, to_plain
from pipeline.plan.rehearsal import RehearsalCosts
from pipeline.plan.shares import SharedFilm, Sharing, share_film
from storage.disk import describe_place, nearest_existing, read_file_system
from tasks.defaults import build_model_options
from tasks.device_memory import requested_device
from tasks.disk_plan import DiskPlan, MeasuredSizes, count_carries_kept, count_live_copies
from tasks.host_memory import host_bytes_free
from tasks.kept import parse_kept
from tasks.preflight import disk_needed_for, inputs_bytes, once_per_run
from tasks.resolved_request import ResolvedRequest
from tasks.retention import choose_frames_kept
from tasks.state_checkpoints import choose_interval

if TYPE_CHECKING:
    from model.avatar import ModelTraits
    from model.estimates import MachineSpeed, MemoryEstimate, TimeEstimate
    from pipeline.plan.alternatives import Remedy
    from pipeline.plan.machine import PlanMachine

PROGRAM_BYTES = {False: 0.45e9, True: 2.35e9}
"""Bytes of the host for the program itself, without and with a card, before any is measured."""
DISK_RATE = 1.4e9
"""Bytes a second written straight to a disk, measured beside one H200; a disk with other work on it did a fifth (docs/models.md)."""
UNKNOWN = "not known; --rehearse yes makes the first clips and measures"
UNKNOWN_ELSEWHERE = "not known of another machine; a plan without its name, made on it, measures"
RESTING_CLIPS = 2
"""Carries that stay when nothing is written."""


@dataclass(frozen=True)
class RoomNeed:
    """What a film takes of one kind of room (device memory, host memory, disk), and what is free."""

    what: str
    where: str
    parts: dict[str, int]
    """Bytes, at the film's end (disk) or at the peak (memory)."""
    needed: int
    """Bytes that must be free before the film is begun."""
    free: int | None
    """None: nobody knows."""
    note: str = ""

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        """False if more is needed than is free."""
        return self.free is None or self.needed <= self.free


@dataclass(frozen=True)
class PlannedFilm:
    """What the planned film is: model, size, clips, length."""

    model: str
    width: int
    height: int
    steps: int
    fps: int
    clips: int
    clip_frames: int
    frames: int
    seconds: float
    length: str
    """h:mm:ss"""


@dataclass(frozen=True)
class PlannedTime:
    """How long the planned film takes to make, in seconds."""

    source: str
    """What this is known from."""
    film: float | None
    """Seconds from the command to the film; None where only measuring tells."""
    first: float | None = None
    """To the first clip that can be played."""
    clip: float | None = None
    """From clip to clip."""
    frames_a_second: float | None = None
    carry: float | None = None
    """To write one state checkpoint to the disk."""


@dataclass(frozen=True)
class Estimate:
    """All that `longtake plan` says about one film on one machine; `as_json` is for machines."""

    run: str
    machine: str
    notes: tuple[str, ...]
    film: PlannedFilm
    offline: bool
    device: RoomNeed | None
    host: RoomNeed
    disk: RoomNeed
    time: PlannedTime
    carries: int
    """State checkpoints that stay on the disk."""
    changes: tuple[str, ...] = ()
    """Flags that --fit added."""
    ways: "tuple[Remedy, ...]" = ()
    """Where it does not fit: what would, that which costs least first."""
    shared: SharedFilm | None = None
    """Who has what, where several cards share it out."""

    @property
    def rooms(self) -> tuple[RoomNeed, ...]:
        """The kinds of room that the film takes; no device where there is none."""
        return tuple(room for room in (self.device, self.host, self.disk) if room is not None)

    @property
    def short(self) -> tuple[str, ...]:
        """Names of the kinds of room that do not suffice."""
        return tuple(room.what for room in self.rooms if not room.fits)

    @property
    def fits(self) -> bool:
        """True if every kind of room suffices."""
        return not self.short

    def as_json(self) -> str:
        """The estimate as one JSON object, each room with `total` and `fits`, for machines."""
        facts = to_plain(self)
        for room in self.rooms:
            facts[room.what] |= {"total": room.total, "fits": room.fits}
        return to_json({**facts, "fits": self.fits, "short": self.short})


@dataclass(frozen=True)
class PlanInput:
    """All that an estimate is made from: the resolved request, the model, the machine, and what a rehearsal cost."""

    resolved: ResolvedRequest
    machine: "PlanMachine"
    costs: RehearsalCosts | None = None
    """None: nothing was rehearsed."""

    @property
    def measured_sizes(self) -> MeasuredSizes:
        """Sizes in bytes that the rehearsal measured, scaled to the film's clip length."""
        if (costs := self.costs) is None:
            return MeasuredSizes()
        spec = self.resolved.spec
        ratio = spec.clip_frames / costs.clip_frames
        return MeasuredSizes(int(costs.segment * ratio), costs.sound, costs.carry, costs.log)

    @property
    def carry_interval(self) -> int:
        """Number of clips between two carries, where that is chosen by their cost."""
        costs, time_estimate = self.costs, self.time_estimate
        if costs is not None and costs.carry_seconds:
            clip = costs.frame_seconds * self.resolved.spec.clip_frames
            return choose_interval(costs.carry_seconds, costs.carry_cost, clip)
        if time_estimate is None or self.machine.speed is None:
            return 1
        size = self.resolved.traits.carry_bytes
        return choose_interval(
            size / DISK_RATE, size / self.machine.speed.link, time_estimate.denoise
        )

    @cached_property
    def sharing(self) -> Sharing | None:
        """How the machine's cards share the film out; None where one makes it."""
        return share_film(self.resolved, self.machine)

    @property
    def alone(self) -> "PlanInput":
        """What would be estimated if the machine had one such card."""
        return replace(self, machine=replace(self.machine, cards=1))

    @property
    def time_estimate(self) -> "TimeEstimate | None":
        """How long the device takes, by arithmetic; None where there is none, or only measuring tells."""
        resolved, machine = self.resolved, self.machine
        if machine.free is None or machine.speed is None:
            return None
        estimate = self._estimate_without_poses(machine.free, machine.speed)
        if estimate is None or not resolved.spec.pose:
            return estimate
        # They are encoded by the thread that decodes.
        return replace(estimate, decode=estimate.decode + estimate.pose)

    def _estimate_without_poses(self, free: int, speed: "MachineSpeed") -> "TimeEstimate | None":
        resolved = self.resolved
        if self.sharing is not None:
            return self.sharing.time
        request, spec = resolved.request, resolved.spec
        options = build_model_options(request, spec.width, spec.height)
        device = requested_device(request)
        return registry.estimate_time(spec.model, options, device, free, speed)

    def count_carries(self, most: int) -> int:
        """Number of state checkpoints on the disk: at most `most`, and the anchors."""
        clips = self.resolved.part.span(self.resolved.spec.clips)
        return count_carries_kept(
            self.resolved.spec, self.resolved.settings, clips, every=self.carry_interval, most=most
        )


def estimate_film(plan_input: PlanInput) -> Estimate:
    """Estimate memory, disk and time of a film on a machine."""
    resolved, traits, machine = plan_input.resolved, plan_input.resolved.traits, plan_input.machine
    notes = [machine.note] if machine.note else []
    if resolved.clips_asked is not None and resolved.clips_asked > resolved.spec.clips:
        notes.append(
            f"{resolved.clips_asked} clips asked, the sound ends after {resolved.spec.clips}."
        )
    if machine.cards > 1 and machine.free is not None and plan_input.sharing is None:
        notes.append(f"{traits.name} takes one card: {machine.cards - 1} of these are idle.")
    notes.extend(lines_about(resolved))
    memory = estimate_memory(plan_input)
    return Estimate(
        run=str(resolved.root),
        machine=machine.name,
        notes=tuple(notes),
        film=describe_film(resolved, traits),
        offline=plan_input.resolved.settings.offline,
        device=device_need(plan_input, memory),
        host=host_need(plan_input, memory),
        disk=disk_need(plan_input),
        time=estimate_time(plan_input),
        carries=plan_input.count_carries(RESTING_CLIPS),
        shared=describe_shares(plan_input),
    )


def describe_shares(plan_input: PlanInput) -> SharedFilm | None:
    """Who has what, and what one of the cards alone would do; None where one makes the film."""
    if plan_input.sharing is None:
        return None
    one = plan_input.alone
    memory, pace = estimate_memory(one), estimate_time(one).frames_a_second
    told = f"{memory.peak / 1e9:.1f} GB, {memory.way}"
    told += "" if pace is None else f", {pace:.2g} frames a second"
    return plan_input.sharing.describe_ranks(told)


def describe_film(resolved: ResolvedRequest, traits: "ModelTraits") -> PlannedFilm:
    """The planned film: its size, clips and length."""
    spec = resolved.spec
    seconds = float(Fraction(spec.frames, spec.fps))
    size = (spec.width, spec.height, spec.steps, spec.fps)
    counts = (spec.clips, spec.clip_frames, spec.frames)
    return PlannedFilm(traits.name, *size, *counts, seconds, resolved.length)


def estimate_memory(plan_input: PlanInput) -> "MemoryEstimate":
    """Bytes of memory by part, by arithmetic; of several cards those of the fullest."""
    if plan_input.sharing is not None:
        return max(plan_input.sharing.memory, key=lambda each: each.peak)
    request, spec = plan_input.resolved.request, plan_input.resolved.spec
    options = build_model_options(request, spec.width, spec.height)
    return registry.estimate_memory(
        plan_input.resolved.traits.name, options, requested_device(request), plan_input.machine.free
    )


def device_need(plan_input: PlanInput, memory: "MemoryEstimate") -> RoomNeed | None:
    """What the film takes of the device's memory; None where it takes none."""
    if not memory.device:
        return None
    note = memory.way
    if plan_input.sharing is not None:
        note = f"the fullest of {plan_input.machine.cards}: {note}"
    if memory.first > sum(memory.device.values()):
        note += f"; the prompt's encoder alone needs {memory.first / 1e9:.1f} GB for a moment"
    machine = plan_input.machine
    parts = {name: size for name, size in memory.device.items() if size}
    return RoomNeed("device", machine.name, parts, memory.peak, machine.free, note)


def host_need(plan_input: PlanInput, memory: "MemoryEstimate") -> RoomNeed:
    """What the film takes of the host's memory: weights that wait there, clips on their way, and the program."""
    costs, plan, sharing = plan_input.costs, build_disk_plan(plan_input), plan_input.sharing
    waiting = Counter[str]()
    for each in sharing.memory if sharing else [memory]:
        waiting.update(each.host)
    parts = {name: size for name, size in waiting.items() if size}
    parts["clips on their way"] = (plan_input.resolved.settings.ahead + 1) * plan.step_bytes
    parts["frames"] = plan.frame_bytes
    if plan_input.count_carries(1):
        parts["a state to be written"] = (
            plan_input.measured_sizes.carry or plan_input.resolved.traits.carry_bytes
        )
    on_card = bool(memory.device)
    if costs is None:
        parts["program"] = int(PROGRAM_BYTES[on_card]) * (sharing.plan.ranks if sharing else 1)
    elif costs.host < sum(parts.values()):
        # It was made, and took no more.
        parts = {"program and all that it holds": costs.host}
    else:
        parts["program"] = costs.host - sum(parts.values())
    here = plan_input.machine.here
    needed = sum(parts.values()) - (0 if costs else parts.pop("a state to be written", 0))
    note = "measured" if costs else "by arithmetic"
    return RoomNeed(
        "host", plan_input.machine.name, parts, needed, host_bytes_free() if here else None, note
    )


def build_disk_plan(plan_input: PlanInput, *, bounds: bool = False) -> DiskPlan:
    """What the run keeps on the disk: frames, steps, and the size of each; `bounds`: without the sizes a rehearsal measured."""
    resolved, settings = plan_input.resolved, plan_input.resolved.settings
    beside = plan_input.resolved.traits, inputs_bytes(resolved.request)
    free = read_file_system(nearest_existing(resolved.root)).free
    frames = choose_frames_kept(resolved.spec, settings, free, beside)
    measured_sizes = MeasuredSizes() if bounds else plan_input.measured_sizes
    return DiskPlan(
        resolved.spec,
        frames,
        parse_kept(settings.keep_steps),
        measured_sizes,
        resolved.seconds,
        count_live_copies(settings),
    )


def disk_need(plan_input: PlanInput) -> RoomNeed:
    """What the film takes of the disk that its run lies on."""
    resolved, settings, plan = (
        plan_input.resolved,
        plan_input.resolved.settings,
        build_disk_plan(plan_input),
    )
    spec = resolved.spec
    parts = plan.parts(len(resolved.part.span(spec.clips)))
    parts |= plan.once(once_per_run(resolved, plan_input.count_carries(RESTING_CLIPS)))
    needed, _ = disk_needed_for(resolved)
    free = read_file_system(nearest_existing(resolved.root)).free
    note = f"frames {_describe_kept(plan.frames)}, steps {_describe_kept(plan.steps)}"
    if settings.keep_frames == "auto":
        room = "half of what is free" if settings.disk_budget is None else "the budget"
        note += f" (auto: {room} holds them all)" if plan.frames is None else " (auto)"
    note += "" if plan_input.machine.here else "; this machine's disk"
    there = {name: size for name, size in parts.items() if size}
    return RoomNeed("disk", describe_place(resolved.root), there, needed, free, note)


def estimate_time(plan_input: PlanInput) -> PlannedTime:
    """How long the film takes: by the rehearsal, or else by arithmetic."""
    costs, spec = plan_input.costs, plan_input.resolved.spec
    if costs is None:
        time_estimate = plan_input.time_estimate
        return (
            time_by_arithmetic(plan_input, time_estimate)
            if time_estimate
            else PlannedTime(UNKNOWN if plan_input.machine.here else UNKNOWN_ELSEWHERE, None)
        )
    return PlannedTime(
        f"its first clips, made here in {costs.took:.0f} s",
        costs.film_seconds(spec.frames, float(plan_input.resolved.seconds)),
        costs.first_clip_seconds(spec.frames),
        costs.frame_seconds * spec.clip_frames,
        1 / costs.frame_seconds if costs.frame_seconds else None,
        costs.carry_seconds or None,
    )


def time_by_arithmetic(plan_input: PlanInput, time_estimate: "TimeEstimate") -> PlannedTime:
    """How long the film takes, from the seconds that one H200 took for each part, scaled by operations and speed."""
    spec = plan_input.resolved.spec
    clip = max(
        time_estimate.host, time_estimate.denoise + time_estimate.beside * time_estimate.decode
    )
    ending, first = time_estimate.decode, time_estimate.load + clip
    if plan_input.resolved.settings.offline:
        clip, ending = max(time_estimate.host, time_estimate.denoise) + time_estimate.decode, 0.0
        first = (
            time_estimate.load + spec.clips * (clip - time_estimate.decode) + time_estimate.decode
        )
    film = time_estimate.load + spec.clips * clip + ending + time_estimate.end
    source = "one H200's measured clips, scaled by operations and by this machine's speed"
    if plan_input.sharing is not None:
        source += "; what goes from card to card is not counted"
    carry = plan_input.resolved.traits.carry_bytes / DISK_RATE or None
    return PlannedTime(source, film, first, clip, spec.clip_frames / clip, carry)


def _describe_kept(clips: int | None) -> str:
    return "all" if clips is None else "none" if clips == 0 else f"of {clips} clips"
