"""What a run has, how fast it goes, and where each of its settings came from."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.pace import Pace
from storage.lock import worker
from storage.spec import CARRY_FIRST

if TYPE_CHECKING:
    from storage.run import Run

State = Literal["working", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class Setting:
    """One effective setting."""

    name: str
    value: object
    source: str
    decides: Literal["pixels", "numerics", "nothing of the film"]


@dataclass(frozen=True)
class Status:
    """All that `longtake status` says; `asdict` is its JSON."""

    run: str
    state: State
    film: str | None
    clips: int
    clips_done: int
    clips_denoised: int
    frames: int
    seconds: float
    """Length of the whole film."""
    fps: int
    seconds_a_clip: float | None
    frames_a_second: float | None
    first_playable_clip_after: float | None
    """Seconds from the run's start until its first clip could be played."""
    eta: float | None
    """Seconds; None while nobody works on it."""
    retries: int
    fault: str | None
    """The last fault, where the run stands still because of it."""
    bytes_on_disk: int
    settings: tuple[Setting, ...]
    parent: Mapping[str, object] | None = None
    """Of a retake: the run that it was taken from, the clips and the seeds."""

    def as_json(self) -> str:
        """The same, for machines."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)


def read(run: "Run") -> Status:
    """The status of a run from its records and events; reads only, so a run that is being made is not disturbed."""
    spec, pace, fault, every = run.spec, Pace(), None, CARRY_FIRST
    for event, facts, when in read_events(run.events_path):
        with suppress(KeyError, ValueError, TypeError):  # a damaged line that is JSON all the same
            pace.tell(event, facts, when)
            every = _every(event, facts, every)
            fault = _fault(event, facts, fault)
    done = sum(run.records.complete("segment", clip) for clip in range(spec.clips))
    finished = run.records.complete("video") and run.video_path.exists()
    state: State = _state(run, finished=finished, fault=fault)
    each = pace.seconds_a_clip
    return Status(
        run=str(run.root),
        state=state,
        film=str(run.video_path) if finished else None,
        clips=spec.clips,
        clips_done=done,
        clips_denoised=sum(run.latents.complete(clip) for clip in range(spec.clips)),
        frames=spec.frames,
        seconds=spec.frames / spec.fps,
        fps=spec.fps,
        seconds_a_clip=each,
        frames_a_second=spec.clip_frames / each if each else None,
        first_playable_clip_after=pace.first_playable_after,
        eta=pace.eta if state == "working" else None,
        retries=pace.retries,
        fault=fault if state == "failed" else None,
        bytes_on_disk=sum(path.lstat().st_size for path in _files(run.root)),
        settings=tuple(_settings(run, every)),
        parent=run.parent,
    )


def read_events(path: Path) -> Iterator[tuple[str, Mapping[str, object], float]]:
    """Events (name, facts, time) of a run; a line that is torn or damaged is passed over."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                facts = json.loads(line)
                event, when = str(facts.pop("event")), float(facts.pop("time"))
            except (ValueError, KeyError, AttributeError, TypeError):
                continue
            yield event, facts, when


def _fault(event: str, facts: Mapping[str, object], before: str | None) -> str | None:
    if event in {"run_started", "clip_published"}:
        return None
    if event == "clip_failed":
        return f"clip {facts.get('clip')} failed while {facts.get('stage')}: {facts.get('error')}"
    return before


def _state(run: "Run", *, finished: bool, fault: str | None) -> State:
    if worker(run.root) is not None:
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
}
_GIVEN = {"image": "the picture", "audio": "the sound", "frames": "the sound", "clips": "the sound"}


def _files(root: Path) -> Iterator[Path]:
    """Files as they are now; one that a running film removes meanwhile is no fault."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if path.exists():
                yield path


def _every(event: str, facts: Mapping[str, object], before: int) -> int:
    """Clips between two carries, where they are chosen by their cost; each start begins with the same."""
    if event == "run_started":
        return CARRY_FIRST
    return int(str(facts["every"])) if event == "carry_every_chosen" else before


def _settings(run: "Run", every: int) -> Iterator[Setting]:
    for name, value in asdict(run.spec).items():
        yield Setting(name, value, _source(run.sources, name), "pixels")
    for name, value in run.fingerprint.items():
        came = run.sources.get(name, "default")
        yield Setting(name, value, "this machine" if came == "default" else came, "numerics")
    for name, value in asdict(run.settings).items():
        chosen = f"auto: {every} clips" if (name, value) == ("carry_every", -1) else value
        yield Setting(name, chosen, run.sources.get(name, "default"), "nothing of the film")


def _source(sources: Mapping[str, str], name: str) -> str:
    asked = sources.get(_ASKED_AS.get(name, name), "default")
    if asked != "default":
        return asked
    return _GIVEN.get(name, "default" if name in _CHOSEN else "the model")


_CHOSEN = {
    "model",
    "prompt",
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
