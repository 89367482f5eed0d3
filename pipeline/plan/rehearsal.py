"""The first clips of a film, made for real in a folder that is gone afterwards: what they took is what the rest will take."""

import json
import os
import subprocess
import time
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.prompt_schedule import parse_changes
from pipeline.monitor.eta import EtaEstimator
from pipeline.monitor.event_reader import EventTail
from pipeline.upkeep.child_process import module_command, raise_if_failed, tie_to_parent
from storage.disk import nearest_existing
from storage.scratch import private_folder, scratch_folder
from tasks.speaker_words import read_speaker
from tasks.timeline import time_of_block

if TYPE_CHECKING:
    from storage.spec import Spec
    from tasks.request import Request
    from tasks.resolved_request import ResolvedRequest

    Event = tuple[str, Mapping[str, Any], float]

FRAMES, LEAST, LONGEST = 240, 5, 96
"""A rehearsal has so many frames, at least so many clips, and no longer clips than this, in frames."""
SERIAL_CLIPS = 3
"""Clips where the next is made from the decoded one: what such models take for a clip is long."""
LONGEST_SECONDS = 1800
"""Seconds for it."""


@dataclass(frozen=True)
class RehearsalCosts:
    """What making a film's first clips took: seconds and bytes."""

    clip_frames: int
    start: float
    """Seconds from the command to the first task: the program and the model are loaded, the input is checked."""
    stop: float
    """Seconds from the last event until the command had ended: threads and libraries let go of what they hold."""
    events: "tuple[Event, ...]"
    """Until the denoiser had nothing left to do: from then on the decoder has the machine for itself."""
    once: float
    """Seconds that soundtrack and joining took, for one second of film."""
    listening: float
    """Seconds to read one second of sound."""
    carry_seconds: float
    """To write one carry, and what of it the film paid for."""
    carry_cost: float
    carry: int | None
    """Bytes on the disk of one."""
    segment: int
    """Bytes of one clip as video, and of one of the rehearsal's."""
    sound: float
    """Bytes of soundtrack a second."""
    log: int
    """Bytes of log and events a clip."""
    host: int
    """Bytes of memory at the peak."""
    device: Mapping[str, int]
    """The same of the card, by who says so; nothing on a CPU."""
    took: float
    """Seconds that the rehearsal took."""

    def eta_for(self, frames: int) -> EtaEstimator:
        """An estimator of the time left for a film of so many frames, as `status` would have it at this moment."""
        eta, clips = EtaEstimator(), -(-frames // self.clip_frames)
        for event, facts, when in self.events:
            told = {**facts, "clips": clips} if event == "run_started" else facts
            eta.add_event(event, told, when)
        return eta

    def film_seconds(self, frames: int, seconds: float) -> float:
        """Seconds from the command to a film of so many frames and so many seconds of sound."""
        published = [when for name, _, when in self.events if name == "clip_published"]
        made = published[-1] - self.events[0][2]
        rest = max(0.0, self.eta_for(frames).eta or 0.0)
        return self.start + made + rest + seconds * (self.once + self.listening) + self.stop

    @property
    def frame_seconds(self) -> float:
        """Seconds a frame, once the film is under way."""
        eta = self.eta_for(0)
        each = eta.seconds_a_clip or 0.0
        return each / self.clip_frames

    def first_clip_seconds(self, frames: int) -> float:
        """Seconds from the command to the first clip that can be played; offline, all are denoised before it."""
        eta = self.eta_for(frames)
        playable = (eta.first_playable or 0.0) - self.events[0][2]
        if eta.offline:
            made = [when for name, _, when in self.events if name == "clip_denoised"]
            each = (made[-1] - made[0]) / max(1, len(made) - 1)
            playable += max(0, eta.clips - len(made)) * each
        return self.start + playable


def rehearse_film(resolved: "ResolvedRequest", frames_kept: int | None) -> RehearsalCosts:
    """Make the first clips, in a process of its own, on the disk that the film will lie on. Raises FilmNotMade."""
    spec = resolved.spec
    clip_frames = spec.clip_frames
    if clip_frames > LONGEST and not spec.motion_latents:
        clip_frames = max(LONGEST // spec.block_frames, 1) * spec.block_frames
    clips = max(LEAST, -(-FRAMES // clip_frames)) if not spec.motion_latents else SERIAL_CLIPS
    clips = min(clips, -(-spec.frames // clip_frames))
    with rehearsal_folder(resolved.root) as folder:
        begun = time.monotonic()
        frames = clips * clip_frames
        listening = cut_sound(resolved, folder / "sound.wav", frames)
        request = replace(
            shorten_request(resolved.request, folder, clip_frames, clips, frames_kept),
            script=write_script(folder / "script.json", spec, frames),
        )
        stamp, checked = time.time(), time.monotonic()
        run_film(request, folder / "request.json")
        ended = time.monotonic()
        return read_costs(folder / "run", stamp, listening, (ended - begun, ended - checked))


def shorten_request(
    request: "Request", folder: Path, clip_frames: int, clips: int, frames_kept: int | None
) -> "Request":
    """A request for the film's first clips, in another folder, with one carry before the last of them."""
    keep = request.keep_frames or "auto"
    if keep == "auto":
        keep = "all" if frames_kept is None else "none"
    sound, asked = folder / "sound.wav", map(read_speaker, request.speaker or ())
    return replace(
        request,
        audio=sound,
        speaker=tuple(each.with_sound(sound).word for each in asked) or None,
        turns=request.turns and write_turn(folder / "turns.csv"),
        run=folder / "run",
        output_dir=None,
        output_file=folder / "film.mp4",
        infer_frames=clip_frames,
        num_clip=clips,
        start_clip=None,
        keep_frames=keep,
        carry_every=0 if request.carry_every == 0 else clips - 1,
        carry_anchors=0,
        sources={},
    )


def write_turn(path: Path) -> Path:
    """A table of turns that fits every sound: what it costs is the same whoever is heard."""
    path.write_text("from,until,speaker\n0s,0.1s,1\n", encoding="utf-8")
    return path


def write_script(path: Path, spec: "Spec", frames: int) -> Path | None:
    """A script of the changes of prompt that lie in the film's first frames; None where there are none."""
    changes = [
        each for each in parse_changes(spec.script) if each.block * spec.block_frames < frames
    ]
    entries = [
        {
            "from": f"{float(time_of_block(each.block, spec.block_frames, spec.fps))}s",
            "prompt": each.prompt,
            "expression": each.expression / 100,
            "gesture": each.gesture / 100,
            "fade": each.fade,
            **({} if each.seed is None else {"seed": each.seed}),
        }
        for each in changes
    ]
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path if entries else None


def run_film(request: "Request", path: Path) -> None:
    """Make a film in a process of its own. Raises FilmNotMade."""
    given = {each.name: getattr(request, each.name) for each in fields(request)}
    del given["sources"]
    path.write_text(
        json.dumps({k: v for k, v in given.items() if v is not None}, default=str), encoding="utf-8"
    )
    words = module_command("pipeline.plan.rehearsal_process", str(path))
    with tie_to_parent() as tether:
        done = subprocess.run(
            words, check=False, capture_output=True, text=True, timeout=LONGEST_SECONDS, **tether
        )
    raise_if_failed(done, "The first clips could not be made: ")


@contextmanager
def rehearsal_folder(root: Path) -> Iterator[Path]:
    """A folder beside the run that is removed on leaving; in the system's place for temporary files where none can be made there."""
    beside = nearest_existing(root.parent)
    usable = os.access(beside, os.W_OK | os.X_OK)
    with scratch_folder(beside if usable else private_folder(), "plan") as folder:
        yield folder


def cut_sound(resolved: "ResolvedRequest", path: Path, frames: int) -> float:
    """Write the sound's beginning, as long as so many frames, to `path`; seconds that reading one second of it took."""
    import numpy as np

    from storage.soundtrack import stream_sound

    spec = resolved.spec
    wanted, begun = frames * spec.samples_per_frame, time.monotonic()
    heard, count = [], 0
    for block in stream_sound(resolved.request.audio, spec.sample_rate, spec.reading):
        heard.append(block)
        count += len(block)
        if count >= wanted:
            break
    took = (time.monotonic() - begun) / max(count / spec.sample_rate, 0.1)
    sound = np.resize(np.concatenate(heard) if heard else np.zeros(1, np.float32), wanted)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(spec.sample_rate)
        file.writeframes((sound.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return took


def read_costs(
    root: Path, stamp: float, listening: float, took: tuple[float, float]
) -> RehearsalCosts:
    """The costs of a rehearsal from the run that it made; `stamp` is the time of day at which it was asked for, `took` the seconds of the whole and of the command."""
    from storage.run import Run

    run = Run.open(root)
    events: list[Event] = [*EventTail(root / "events.jsonl").read()]
    told: dict[str, Mapping[str, Any]] = {name: facts for name, facts, _ in events}
    spec, carry = run.spec, told.get("carry_published", {})
    memory = dict(told["memory_peak"])
    started = next(when for name, _, when in events if name == "run_started")
    seconds = spec.frames / spec.fps
    logs = (run.log_path, run.events_path)
    return RehearsalCosts(
        clip_frames=spec.clip_frames,
        start=started - stamp,
        stop=max(0.0, took[1] - (events[-1][2] - stamp)),
        events=tuple(steady_events(events)),
        once=sum(_stage_seconds(events, name) for name in ("soundtrack", "video")) / seconds,
        listening=listening,
        carry_seconds=float(carry.get("seconds", 0.0)),
        carry_cost=float(carry.get("cost", 0.0)),
        carry=disk_usage(run.root / "carry") if carry else None,
        segment=sum(map(_file_size, run.root.glob("segments/*.mp4"))) // spec.clips,
        sound=_file_size(run.soundtrack_path) / seconds,
        log=sum(map(_file_size, logs)) // spec.clips,
        host=int(memory.pop("host")),
        device={name: int(size) for name, size in memory.items() if name not in {"pid", "time"}},
        took=took[0],
    )


def steady_events(events: "list[Event]") -> "Iterator[Event]":
    """Events from the start until nothing is left to denoise; all of them, where fewer than two clips are published by then."""
    begun = next(i for i, (name, _, _) in enumerate(events) if name == "run_started")
    offline = bool(events[begun][1].get("offline"))
    last = max(i for i, (name, _, _) in enumerate(events) if name == "clip_denoised")
    before = [name for name, _, _ in events[:last]].count("clip_published")
    ends = [i for i, (name, _, _) in enumerate(events) if name == "clip_published"]
    stop = last + 1 if before > 2 and not offline else ends[-1] + 1
    yield from events[begun:stop]


def disk_usage(folder: Path) -> int:
    """Bytes that a folder takes of the disk."""
    return sum(each.lstat().st_blocks * 512 for each in (folder, *folder.rglob("*")))


def _stage_seconds(events: "list[Event]", stage: str) -> float:
    found = (f for name, f, _ in events if name == "stage_seconds" and f.get("stage") == stage)
    return sum(float(facts["seconds"]) for facts in found)


def _file_size(path: Path) -> int:
    return path.stat().st_size
