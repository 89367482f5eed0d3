"""What a run has, how fast it goes, and where each of its settings came from."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.json_output import to_json
from pipeline.monitor.event_reader import EventSummary, EventTail
from pipeline.monitor.script_words import ScriptedPrompt, list_prompts
from pipeline.monitor.words import time_in_words
from storage.disk import count_bytes
from storage.errors import count_noun
from storage.names import VIDEO
from storage.remote.address import find_url
from storage.speaker import describe_speakers, describe_turns
from storage.spec import STALL_PATIENCE, STALL_TIMES
from storage.spec_words import describe_script
from tasks.store_run import find_run_worker

if TYPE_CHECKING:
    from storage.run import Run

State = Literal["working", "finished", "stopped", "failed"]

_LOSSES = {"run_started", "repair_started", "damage_found", "damage_met", "joint_accepted"}
"""Events after which fewer clips may be there than before."""
_LEAST, _OFTEN, _UNUSUAL = 20.0, 4.0, 60.0
"""Quiet is told after so many seconds, and so many times the usual; where nothing is usual yet, after this."""


@dataclass(frozen=True)
class EffectiveSetting:
    """One setting of a run, its value, and where that came from."""

    name: str
    value: object
    source: str
    decides: Literal["pixels", "numerics", "nothing of the film"]


@dataclass(frozen=True)
class Status:
    """All that `longtake status` says of a run; `asdict` is its JSON."""

    run: str
    state: State
    worker: str | None
    """Who works on it."""
    film: str | None
    """Where the film lies; a URL where another machine made it, None where it is not whole."""
    clips: int
    clips_done: int
    clips_denoised: int
    frames: int
    seconds: float
    """Length of the whole film."""
    fps: int
    seconds_a_clip: float | None
    frames_a_second: float | None
    stages: Mapping[str, float]
    """Usual seconds a clip of denoise, hear and decode; two of them work at a time."""
    device: Mapping[str, object]
    """What the driver said of the card after the last clip: card, used, total, temperature, load; empty where nobody can tell."""
    first_playable_clip_after: float | None
    """Seconds from the run's start until its first clip could be played."""
    eta: float | None
    """Seconds; None while nobody works on it, or while it may hang."""
    retries: int
    last_event: str
    quiet: float | None
    """Seconds since then."""
    stall: str | None
    """What to think of that, where it is long."""
    fault: str | None
    """The last fault, where the run stands still because of it."""
    bytes_on_disk: int | None
    """None of a run on a store: what this machine has of it is not its size."""
    settings: tuple[EffectiveSetting, ...]
    parent: Mapping[str, object] | None = None
    """Of a retake: the run that it was taken from, the clips and the seeds."""
    script: tuple[ScriptedPrompt, ...] = ()
    """When which prompt holds; empty where one does throughout."""

    def as_json(self, indent: int | None = 2) -> str:
        """The status as one JSON object, for machines."""
        return to_json(self, indent=indent)


class ThrottledCount:
    """A number that is slow to find: found again when that costs at most a hundredth of the time, or when it must be exact."""

    def __init__(self, find: Callable[[], int]) -> None:
        self._find, self._found = find, 0
        self._due, self._at = -math.inf, -math.inf

    def now(self, *, exactly: bool) -> int:
        """The number, found again where that is due or `exactly` asks for it."""
        begun = time.monotonic()
        if exactly or begun >= self._due:
            self._at = time.time()
            self._found = self._find()
            took = time.monotonic() - begun
            self._due = begun + 100 * took
        return self._found

    def grow(self, when: float) -> None:
        """Count one more, if it came after the number was last found; `when` is its time of day."""
        self._found += when > self._at


class StatusReader:
    """Reads a run's status again and again: a look costs what is new, not what is there. Writes nothing and takes no lock."""

    def __init__(self, run: "Run") -> None:
        self._run, self._tail, self._summary = run, EventTail(run.events_path), EventSummary()
        records, clips = run.records, run.spec.clips
        self._done = ThrottledCount(lambda: len(records.clips("segment", clips)))
        self._denoised = ThrottledCount(lambda: len(records.clips("latents", clips)))
        self._bytes = ThrottledCount(lambda: count_bytes(run.root))
        self._on_store = find_url(run.root) is not None

    def _follow(self) -> bool:
        """Read the new events; True if fewer clips may be there than before."""
        fewer = False
        for event, facts, when in self._tail.read():
            self._summary.add_event(event, facts, when)
            fewer = fewer or event in _LOSSES
            if event == "clip_published":
                self._done.grow(when)
            if event == "stage_seconds" and facts.get("stage") == "latents":
                self._denoised.grow(when)
        return fewer

    def read(self) -> Status:
        """The run's status now."""
        fewer = self._follow()
        run, spec, summary, now = self._run, self._run.spec, self._summary, time.time()
        eta, who = summary.eta, find_run_worker(run.root)
        film = _find_film(run)
        state = _derive_state(who, finished=film is not None, fault=summary.fault)
        exactly, each = fewer or state != "working", eta.seconds_a_clip
        quiet = None if summary.last_at is None else max(0.0, now - summary.last_at)
        hangs = (
            describe_stall(run.settings.stall_limit, quiet, summary.usual_seconds) if who else None
        )
        return Status(
            run=str(run.root),
            state=state,
            worker=who,
            film=film,
            clips=spec.clips,
            clips_done=self._done.now(exactly=exactly),
            clips_denoised=self._denoised.now(exactly=exactly),
            frames=spec.frames,
            seconds=spec.frames / spec.fps,
            fps=spec.fps,
            seconds_a_clip=each,
            frames_a_second=spec.clip_frames / each if each else None,
            stages=eta.stages,
            device=dict(summary.device),
            first_playable_clip_after=eta.first_playable_after,
            eta=eta.seconds_left(now) if state == "working" and hangs is None else None,
            retries=eta.retries,
            last_event=summary.last,
            quiet=quiet,
            stall=hangs,
            fault=summary.fault if state == "failed" else None,
            bytes_on_disk=None if self._on_store else self._bytes.now(exactly=exactly),
            settings=tuple(_effective_settings(run, summary.carry_interval)),
            parent=run.parent,
            script=list_prompts(spec),
        )


def read_status(run: "Run") -> Status:
    """The status of a run from its records and events; reads only, so a run that is being made is not disturbed."""
    return StatusReader(run).read()


def describe_stall(limit: float, quiet: float | None, usual: float | None) -> str | None:
    """A warning that a process which lives has told nothing for long; None where that is usual."""
    if quiet is None or quiet < (_UNUSUAL if usual is None else max(_LEAST, _OFTEN * usual)):
        return None
    normal = "" if usual is None else f", where a clip usually takes {time_in_words(usual)}"
    said = f"nothing was told for {time_in_words(quiet)}{normal}: it may hang. "
    if not limit:
        return said + "The watchdog is off (--stall-limit 0), so nobody will end it."
    allowed = STALL_PATIENCE * limit if usual is None else max(limit, STALL_TIMES * usual)
    left = f", in {time_in_words(allowed - quiet)} at the earliest" if allowed > quiet else ""
    return (
        said
        + f"The watchdog ends it with code 6 when nothing has moved for {time_in_words(allowed)}"
        f"{left}; the same command then goes on, and with --keep-going by itself."
    )


def _find_film(run: "Run") -> str | None:
    """Where the film lies: on this machine, or of a run on a store, of which a look brings records alone, at its URL."""
    if not run.records.complete("video"):
        return None
    if run.video_path.exists():
        return str(run.video_path)
    url = find_url(run.root)
    return None if url is None else f"{url}/{VIDEO}"


def _derive_state(who: str | None, *, finished: bool, fault: str | None) -> State:
    if who is not None:
        return "working"
    if finished:
        return "finished"
    return "failed" if fault else "stopped"


# Where a field of the spec comes from that nobody can ask for by its own name.
_ASKED_AS = {
    "seed": "base_seed",
    "steps": "sample_steps",
    "clip_frames": "infer_frames",
    "clips": "num_clip",
    "speakers": "speaker",
}
_OF_THE_SOUND = ("audio", "frames", "clips", "silence", "mix", "gain")
_GIVEN = {"image": "the picture", **dict.fromkeys(_OF_THE_SOUND, "the sound")}


def _effective_settings(run: "Run", every: int) -> Iterator[EffectiveSetting]:
    spec = run.spec
    told = {"script": describe_script(spec.script), "turns": describe_turns(spec.turns)}
    told["speakers"] = describe_speakers(spec.speakers)
    for name, value in {**asdict(spec), **told}.items():
        yield EffectiveSetting(
            _OF_SPEC.get(name, name), value, _source_of(run.sources, name), "pixels"
        )
    for name, value in run.fingerprint.items():
        came = run.sources.get(name, "default")
        shown = _OF_FINGERPRINT.get(name, name)
        yield EffectiveSetting(
            shown, value, "this machine" if came == "default" else came, "numerics"
        )
    for name, value in asdict(run.settings).items():
        chosen = (
            f"auto: {count_noun(every, 'clip')}" if (name, value) == ("carry_every", -1) else value
        )
        yield EffectiveSetting(
            name, chosen, run.sources.get(name, "default"), "nothing of the film"
        )


# One name, one meaning: what a flag sets is called as the flag is, and what the run froze beside it otherwise.
_OF_SPEC = {
    "weights": "weights_hash",
    "image": "image_hash",
    "audio": "audio_hash",
    "pose": "pose_hash",
}
_OF_SPEC |= {"precision": "asked_precision"}
_OF_FINGERPRINT = {"device": "device_name"}


def _source_of(sources: Mapping[str, str], name: str) -> str:
    asked = sources.get(_ASKED_AS.get(name, name), "default")
    if asked != "default":
        return asked
    return _GIVEN.get(name, "default" if name in _CHOSEN else "the model")


_CHOSEN = {
    "model",
    "prompt",
    "script",
    "negative_prompt",
    "seed",
    "width",
    "height",
    "crop",
    "steps",
    "clip_frames",
    "audio_lead",
    "crf",
    "preset",
}
