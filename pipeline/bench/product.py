"""The product itself, started as a person starts it, and what its run folder tells of it afterwards."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.avatar import FP8
from pipeline.bench.material import Material
from pipeline.bench.process import run_watched

Event = dict[str, Any]


@dataclass(frozen=True)
class FilmOutcome:
    """What one film took, made in a fresh process."""

    root: Path
    started: float
    """Time of day, seconds, when the process was started."""
    begun: float
    """When the first denoise began."""
    published: list[float]
    """When each clip was there to be played."""
    ended: float
    """When the film was published."""
    peak: int
    """Bytes of memory, the process tree's."""
    disk: int
    """Bytes that the run folder takes on the disk."""

    @property
    def digests(self) -> list[str]:
        """SHA-256 of every segment, by their records."""
        names = (f"segment.{clip:05d}.json" for clip in range(len(self.published)))
        return [json.loads((self.root / "commits" / name).read_text())["sha256"] for name in names]


def make_film(film: Material, root: Path, *flags: str) -> FilmOutcome:
    """Start `longtake new` in a fresh process and a fresh folder, and wait for the film."""
    told = film.options
    words = {
        "--run": root,
        "--model": film.model,
        "--weights": told.weights,
        "--size": f"{told.width}*{told.height}",
        "--sample-steps": told.steps,
        "--infer-frames": told.clip_frames,
    }
    asked = [str(part) for pair in words.items() if pair[1] for part in pair]
    asked += ["--base-seed", str(film.seed), *(["--fp8"] if told.precision == FP8 else [])]
    command = [sys.executable, "-m", "pipeline", "new", str(film.image), str(film.audio)]
    done = run_watched([*command, *asked, *flags])
    return read_outcome(root, done.begun, done.peak)


def read_outcome(root: Path, started: float, peak: int) -> FilmOutcome:
    """The outcome of a film by its run's events; `started` is the time of day of the command, `peak` bytes of memory."""
    events = [json.loads(line) for line in (root / "events.jsonl").read_text().splitlines()]
    first = next(event for event in events if event["event"] == "clip_denoised")
    stamps = {event["clip"]: event["time"] for event in select_events(events, "clip_published")}
    return FilmOutcome(
        root=root,
        started=started,
        begun=first["time"] - first["seconds"],
        published=[stamps[clip] for clip in sorted(stamps)],
        ended=select_events(events, "film_published")[-1]["time"],
        peak=peak,
        disk=disk_usage(root),
    )


def select_events(events: list[Event], name: str) -> list[Event]:
    """The events of this name, in their order."""
    return [event for event in events if event["event"] == name]


def disk_usage(root: Path) -> int:
    """Bytes of the disk's blocks that a folder's files take."""
    return sum(path.lstat().st_blocks * 512 for path in root.rglob("*") if path.is_file())
