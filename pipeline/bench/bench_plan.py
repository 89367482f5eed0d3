"""What `longtake plan` says against what the film then took: make bench-plan, or python -m pipeline.bench.bench_plan [--weights DIR [--sizes W*H,…] [--flags FLAGS] [--clips N] [--rehearse]] [--once] [--json].

Plan, film and plan again, one after the other, for each film: other work on the machine then falls on both. What was planned is the mean of the two plans.
Memory is the peak that the process itself reports, disk what the run's folder takes in blocks (of random weights also without segments and film), time from the command
to its end, `first` from the command to the first clip that can be played, `clip` from one clip to the next. Without --weights ten small films of pocket; with it live-avatar
at four sizes on the card of this machine, by arithmetic or (--rehearse) by its first clips (or, with the weights of make_checkpoint --size tiny and --sizes 64*64, on its processor).
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from pipeline.bench.material import PICTURE, SPEECH
from pipeline.plan.rehearsal import disk_usage

Facts = dict[str, Any]

POCKET = {
    "64*64, 1 step, clips of 12": ["--size=64*64", "--sample-steps=1", "--infer-frames=12"],
    "128*128, 2 steps": ["--size=128*128", "--sample-steps=2"],
    "offline, 128*128, 2 steps": ["--size=128*128", "--sample-steps=2", "--offline"],
    "128*64, clips of 24, no frames": [
        "--size=128*64",
        "--sample-steps=2",
        "--infer-frames=24",
        "--keep-frames=none",
    ],
    "96*96, frames of 3 clips, no steps": [
        "--size=96*96",
        "--sample-steps=2",
        "--keep-frames=3",
        "--keep-steps=none",
    ],
    "64*64, clips of 96, 6 steps": ["--size=64*64", "--sample-steps=6", "--infer-frames=96"],
    "128*128, 3 steps, two clips": ["--num-clip=2", "--size=128*128", "--sample-steps=3"],
    "64 s, 64*64, 2 steps": ["--size=64*64", "--sample-steps=2"],
    "192*192, 3 steps": ["--size=192*192", "--sample-steps=3"],
    "as it is": [],
}
LONG = "64 s, 64*64, 2 steps"
UNITS = {"time": (1.0, 1), "first": (1.0, 1), "clip": (1.0, 2)}
"""Of a kind, and its digits; the others are in bytes."""
CLIPS = 6
"""Of a large model's film, as many as the examples' voice fills."""
SIZES = "384*256,512*320,640*352,704*384"


@dataclass(frozen=True)
class PlanRow:
    """One film: what was planned and what was measured, by kind (memory, disk, time)."""

    film: str
    planned: dict[str, float]
    measured: dict[str, float]
    load: float
    """Of the machine, while the film was made."""

    def off(self, kind: str) -> float:
        """Relative error of the plan for one kind: planned over measured, less one."""
        return self.planned[kind] / self.measured[kind] - 1


def measure_row(
    film: str, words: list[str], folder: Path, *, twice: bool, rehearse: bool
) -> PlanRow:
    """Plan a film, make it and compare; `twice`: plan once more afterwards."""
    root = folder / "run"
    whole = [*words, f"--run={root}"]
    plans = [read_plan(whole, rehearse=rehearse)]
    begun, asked = time.monotonic(), time.time()
    subprocess.run(longtake_command("new", whole), check=True, capture_output=True)
    took = time.monotonic() - begun
    load = float(Path("/proc/loadavg").read_text(encoding="utf-8").split()[0])
    large = any(word.startswith("--weights=") for word in words)
    measured = {
        **read_memory_peaks(root),
        **measure_disk(root, noisy=large),
        "time": took,
        **read_pace(root, asked),
    }
    shutil.rmtree(root)
    plans += [read_plan(whole, rehearse=rehearse)] if twice else []
    planned = {kind: mean(each[kind] for each in plans) for kind in plans[0]}
    return PlanRow(film, {kind: planned[kind] for kind in measured}, measured, load)


def longtake_command(verb: str, words: list[str]) -> list[str]:
    """The command line of a longtake process with this verb, as it runs here."""
    return [sys.executable, "-m", "pipeline", verb, str(PICTURE), *words]


def read_plan(words: list[str], *, rehearse: bool) -> dict[str, float]:
    """Figures of a plan by kind: bytes of host memory, device memory and disk, and seconds."""
    whole = longtake_command("plan", [*words, "--json", *(["--rehearse=yes"] if rehearse else [])])
    done = subprocess.run(whole, check=False, capture_output=True)
    if not done.stdout:
        raise SystemExit(f"longtake plan: {done.stderr.decode().strip()}")
    found: Facts = json.loads(done.stdout)
    rooms = {kind: float(found[kind]["total"]) for kind in ("host", "disk")}
    parts = found["disk"]["parts"]
    rooms["disk, no video"] = rooms["disk"] - parts["segments"] - parts["film"]
    if found["device"]:
        rooms["device"] = float(found["device"]["needed"])
    time = {"time": "film", "first": "first", "clip": "clip"}
    return {**rooms, **{kind: float(found["time"][name] or 0) for kind, name in time.items()}}


def read_memory_peaks(root: Path) -> dict[str, float]:
    """Peaks of memory in bytes that a run's events tell."""
    lines = (root / "events.jsonl").read_text().splitlines()
    told = next(each for each in map(json.loads, lines) if each["event"] == "memory_peak")
    card = {"device": float(told["card"])} if "card" in told else {}
    return {"host": float(told["host"]), **card}


def read_pace(root: Path, begun: float) -> dict[str, float]:
    """Seconds from the command to the first playable clip, and from clip to clip; `begun` is the time of day of the command."""
    lines = map(json.loads, (root / "events.jsonl").read_text().splitlines())
    published = [float(each["time"]) for each in lines if each["event"] == "clip_published"]
    each = (published[-1] - published[0]) / (len(published) - 1)
    return {"first": published[0] - begun, "clip": each}


def measure_disk(root: Path, *, noisy: bool) -> dict[str, float]:
    """Bytes of a run on the disk; where random weights make noise, and noise large files, also those that are not video."""
    whole = {"disk": float(disk_usage(root))}
    video = disk_usage(root / "segments") + (root / "video.mp4").stat().st_size
    return {**whole, "disk, no video": whole["disk"] - video} if noisy else whole


def list_films(options: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Each film's name, and the words that ask for it."""
    if options.weights is None:
        for name, words in POCKET.items():
            yield name, [str(SPEECH), *words]
        return
    clips = options.clips
    asked = ["--model=live-avatar", f"--weights={options.weights}", f"--num-clip={clips}"]
    asked += [f"--{flag}" for flag in options.flags.split()]
    for size in options.sizes.split(","):
        yield f"live-avatar, {size}, {clips} clips", [str(SPEECH), *asked, f"--size={size}"]


def measure_all(options: argparse.Namespace, folder: Path) -> Iterator[PlanRow]:
    """A row for each film."""
    # A large model is not rehearsed unless it is asked for: its plan is arithmetic, and a look at the card.
    rehearse = options.weights is None or options.rehearse
    for name, words in list_films(options):
        if options.film is None or options.film in name:
            long = name == LONG or (options.weights is not None and options.clips > CLIPS)
            sound = [str(repeat_speech(folder)), *words[1:]] if long else words
            yield measure_row(name, sound, folder, twice=not options.once, rehearse=rehearse)


def repeat_speech(folder: Path, times: int = 5) -> Path:
    """Write the examples' voice, `times` times over, into a sound file; its path."""
    import wave

    target = folder / "long.wav"
    with wave.open(str(SPEECH)) as speech, wave.open(str(target), "wb") as file:
        file.setparams(speech.getparams())
        said = speech.readframes(speech.getnframes())
        for _ in range(times):
            file.writeframes(said)
    return target


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", metavar="DIR", help="live-avatar at four sizes, from here.")
    parser.add_argument("--sizes", default=SIZES, metavar="SIZES", help="Other four, or fewer.")
    parser.add_argument(
        "--flags", default="", help='More of them, of the large model: "fp8 carry-every=0".'
    )
    parser.add_argument("--clips", type=int, default=CLIPS, help="Of the large model's films.")
    parser.add_argument("--rehearse", action="store_true", help="The large model, too.")
    parser.add_argument("--film", metavar="WORDS", help="Only films with these words in the name.")
    parser.add_argument("--folder", metavar="DIR", help="Where the films are made.")
    parser.add_argument("--once", action="store_true", help="Plan before the film alone.")
    parser.add_argument("--json", action="store_true", help="For machines.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows = []
        for each in measure_all(options, Path(folder)):
            rows.append(each)
            line = json.dumps(asdict(each)) if options.json else format_row(each)
            print(line, flush=True)
    worst = {kind: max(abs(each.off(kind)) for each in rows) for kind in rows[0].measured}
    told = ", ".join(f"{kind} {100 * off:.1f} %" for kind, off in worst.items())
    print(f"Furthest off: {told}", file=sys.stderr)


def format_row(found: PlanRow) -> str:
    """A row of the table in docs/plan.md, as Markdown."""
    cells = [found.film]
    for kind, there in found.measured.items():
        unit, places = UNITS.get(kind, (1e6, 1))
        both = f"{found.planned[kind] / unit:.{places}f} / {there / unit:.{places}f}"
        cells.append(f"{both}, {100 * found.off(kind):+.1f} %")
    return f"| {' | '.join(cells)} | {found.load:.1f} |"


if __name__ == "__main__":
    main()
