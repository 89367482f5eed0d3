"""What one film takes of one machine, part by part, by the arithmetic that the run itself uses."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from pipeline.jsontext import plain, to_json
from pipeline.plan.rehearsal import Costs
from pipeline.treatment import lines_about
from storage.disk import look, nearest, place
from storage.spec import Settings
from tasks.carries import clips_between
from tasks.memory import host_bytes_free
from tasks.preflight import inputs_bytes, needed_for, once_of
from tasks.request import Resolved, options_of, settings_of
from tasks.retention import choose_frames, kept
from tasks.room import asked_machine
from tasks.space import Known, Plan, carries_kept

if TYPE_CHECKING:
    from model.avatar import Labour, Memory, Traits
    from pipeline.plan.place import Place
    from pipeline.plan.ways import Way

PROGRAM = {False: 0.45e9, True: 2.35e9}
"""Bytes of the host for the program itself, without and with a card, before any is measured."""
DISK_RATE = 1.4e9
"""Bytes a second written straight to a disk, measured beside one H200; a disk with other work on it did a fifth (docs/models.md)."""
UNKNOWN = "not known; --rehearse yes makes the first clips and measures"
RESTING = 2
"""Carries that stay when nothing is written."""


@dataclass(frozen=True)
class Room:
    """One kind of room: what a film takes of it, and what there is."""

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
        """All parts."""
        return sum(self.parts.values())

    @property
    def fits(self) -> bool:
        """False if more is needed than is free."""
        return self.free is None or self.needed <= self.free


@dataclass(frozen=True)
class Film:
    """What will be seen and heard."""

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
class Time:
    """How long it takes."""

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
    """To write one state of the denoiser to the disk."""


@dataclass(frozen=True)
class Estimate:
    """All that `longtake plan` says; `as_json` is for machines."""

    run: str
    machine: str
    notes: tuple[str, ...]
    film: Film
    offline: bool
    device: Room | None
    host: Room
    disk: Room
    time: Time
    carries: int
    """States of the denoiser that stay on the disk."""
    changes: tuple[str, ...] = ()
    """Flags that --fit added."""
    ways: "tuple[Way, ...]" = ()
    """Where it does not fit: what would, that which costs least first."""

    @property
    def rooms(self) -> tuple[Room, ...]:
        """All kinds of room."""
        return tuple(room for room in (self.device, self.host, self.disk) if room is not None)

    @property
    def short(self) -> tuple[str, ...]:
        """The kinds of room that do not suffice."""
        return tuple(room.what for room in self.rooms if not room.fits)

    @property
    def fits(self) -> bool:
        """True if the film can be made so."""
        return not self.short

    def as_json(self) -> str:
        """The same, for machines."""
        facts = plain(self)
        for room in self.rooms:
            facts[room.what] |= {"total": room.total, "fits": room.fits}
        return to_json({**facts, "fits": self.fits, "short": self.short})


@dataclass(frozen=True)
class Setting:
    """What an estimate is made of."""

    resolved: Resolved
    traits: "Traits"
    place: "Place"
    costs: Costs | None = None
    """None: nothing was rehearsed."""

    @property
    def settings(self) -> Settings:
        """As the run would have them."""
        return settings_of(self.resolved.request, Settings(), {})[0]

    @property
    def known(self) -> Known:
        """Sizes that the rehearsal showed."""
        if (costs := self.costs) is None:
            return Known()
        spec = self.resolved.spec
        ratio = spec.clip_frames / costs.clip_frames
        return Known(int(costs.segment * ratio), costs.sound, costs.carry, costs.log)

    @property
    def every(self) -> int:
        """Clips between two carries, where they are chosen by their cost."""
        costs, labour = self.costs, self.labour
        if costs is not None and costs.carry_seconds:
            clip = costs.frame * self.resolved.spec.clip_frames
            return clips_between(costs.carry_seconds, costs.carry_cost, clip)
        if labour is None or self.place.speed is None:
            return 1
        size = self.traits.carry_bytes
        return clips_between(size / DISK_RATE, size / self.place.speed.link, labour.denoise)

    @property
    def labour(self) -> "Labour | None":
        """How long the card takes, by arithmetic; None where there is none, or only measuring tells."""
        from model import avatar

        resolved, where = self.resolved, self.place
        if where.free is None or where.speed is None:
            return None
        request, spec = resolved.request, resolved.spec
        options, machine = options_of(request, spec.width, spec.height), asked_machine(request)
        return avatar.labour(spec.model, options, machine, where.free, where.speed)

    def carries(self, most: int) -> int:
        """States of the denoiser on the disk, at most."""
        clips = self.resolved.part.span(self.resolved.spec.clips)
        return carries_kept(self.resolved.spec, self.settings, clips, every=self.every, most=most)


def estimate(setting: Setting) -> Estimate:
    """What this film takes of this machine."""
    resolved, traits, where = setting.resolved, setting.traits, setting.place
    notes = [where.note] if where.note else []
    if resolved.clips_asked is not None and resolved.clips_asked > resolved.spec.clips:
        notes.append(
            f"{resolved.clips_asked} clips asked, the sound ends after {resolved.spec.clips}."
        )
    if resolved.media is not None:
        notes.extend(lines_about(resolved.media))
    memory = memory_of(setting)
    return Estimate(
        run=str(resolved.root),
        machine=where.name,
        notes=tuple(notes),
        film=film_of(resolved, traits),
        offline=setting.settings.offline,
        device=device_room(setting, memory),
        host=host_room(setting, memory),
        disk=disk_room(setting),
        time=time_of(setting),
        carries=setting.carries(RESTING),
    )


def film_of(resolved: Resolved, traits: "Traits") -> Film:
    """Clips and minutes."""
    spec = resolved.spec
    seconds = float(Fraction(spec.frames, spec.fps))
    size = (spec.width, spec.height, spec.steps, spec.fps)
    counts = (spec.clips, spec.clip_frames, spec.frames)
    return Film(traits.name, *size, *counts, seconds, resolved.length)


def memory_of(setting: Setting) -> "Memory":
    """Memory by part, by arithmetic."""
    from model import avatar

    request, spec = setting.resolved.request, setting.resolved.spec
    options = options_of(request, spec.width, spec.height)
    return avatar.memory(setting.traits.name, options, asked_machine(request), setting.place.free)


def device_room(setting: Setting, memory: "Memory") -> Room | None:
    """The card."""
    if not memory.device:
        return None
    note = memory.way
    if memory.first > sum(memory.device.values()):
        note += f"; the prompt's encoder alone needs {memory.first / 1e9:.1f} GB for a moment"
    where = setting.place
    return Room("device", where.name, dict(memory.device), memory.peak, where.free, note)


def host_room(setting: Setting, memory: "Memory") -> Room:
    """The host's memory: what waits there, clips on their way, and the program."""
    costs, plan = setting.costs, disk_plan(setting)
    parts = {name: size for name, size in memory.host.items() if size}
    parts["clips on their way"] = (setting.settings.ahead + 1) * plan.step_bytes
    parts["frames"] = plan.frame_bytes
    if setting.carries(1):
        parts["a state to be written"] = setting.known.carry or setting.traits.carry_bytes
    on_card = bool(memory.device)
    if costs is None:
        parts["program"] = int(PROGRAM[on_card])
    elif costs.host < sum(parts.values()):
        # It was made, and took no more.
        parts = {"program and all that it holds": costs.host}
    else:
        parts["program"] = costs.host - sum(parts.values())
    here = setting.place.here
    needed = sum(parts.values()) - (0 if costs else parts.pop("a state to be written", 0))
    note = "measured" if costs else "by arithmetic"
    return Room(
        "host", setting.place.name, parts, needed, host_bytes_free() if here else None, note
    )


def disk_plan(setting: Setting, *, bounds: bool = False) -> Plan:
    """What stays of the film."""
    resolved, settings = setting.resolved, setting.settings
    beside = setting.traits, inputs_bytes(resolved.request)
    free = look(nearest(resolved.root)).free
    frames = choose_frames(resolved.spec, settings, free, beside)
    known = Known() if bounds else setting.known
    return Plan(resolved.spec, frames, kept(settings.keep_steps), known, resolved.seconds)


def disk_room(setting: Setting) -> Room:
    """The disk that the run lies on."""
    resolved, settings, plan = setting.resolved, setting.settings, disk_plan(setting)
    spec = resolved.spec
    parts = plan.parts(len(resolved.part.span(spec.clips)))
    parts |= plan.once(once_of(resolved, setting.traits, setting.carries(RESTING)))
    needed, _ = needed_for(resolved, setting.traits)
    free = look(nearest(resolved.root)).free
    note = f"frames {_words(plan.frames)}, steps {_words(plan.steps)}"
    if settings.keep_frames == "auto":
        room = "half of what is free" if settings.disk_budget is None else "the budget"
        note += f" (auto: {room} holds them all)" if plan.frames is None else " (auto)"
    note += "" if setting.place.here else "; this machine's disk"
    there = {name: size for name, size in parts.items() if size}
    return Room("disk", place(resolved.root), there, needed, free, note)


def time_of(setting: Setting) -> Time:
    """How long it takes: by the rehearsal, or else by arithmetic."""
    costs, spec = setting.costs, setting.resolved.spec
    if costs is None:
        labour = setting.labour
        return reckoned(setting, labour) if labour else Time(UNKNOWN, None)
    return Time(
        f"its first clips, made here in {costs.took:.0f} s",
        costs.film(spec.frames, float(setting.resolved.seconds)),
        costs.first(spec.frames),
        costs.frame * spec.clip_frames,
        1 / costs.frame if costs.frame else None,
        costs.carry_seconds or None,
    )


def reckoned(setting: Setting, labour: "Labour") -> Time:
    """From seconds that one H200 took, scaled."""
    spec = setting.resolved.spec
    clip = max(labour.host, labour.denoise + labour.beside * labour.decode)
    ending, first = labour.decode, labour.load + clip
    if setting.settings.offline:
        clip, ending = max(labour.host, labour.denoise) + labour.decode, 0.0
        first = labour.load + spec.clips * (clip - labour.decode) + labour.decode
    film = labour.load + spec.clips * clip + ending + labour.end
    source = "one H200's measured clips, scaled by operations and by this machine's speed"
    carry = setting.traits.carry_bytes / DISK_RATE or None
    return Time(source, film, first, clip, spec.clip_frames / clip, carry)


def _words(clips: int | None) -> str:
    return "all" if clips is None else "none" if clips == 0 else f"of {clips} clips"
