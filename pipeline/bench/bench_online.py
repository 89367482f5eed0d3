"""What long films cost: make bench-online, or python -m pipeline.bench.bench_online [--clips 10,100] [--modes online] [--json].

A keep-everything loop (all latents and frames in memory until the end, as Live Avatar's users have it), `longtake new --offline` and `longtake new`, each film
in a fresh process: the most memory, disk, time to the first clip that can be played, seconds a clip; as a table and as one plot. Frames are small, clips
short (one block) and steps few, so that a thousand clips take minutes: what is measured is how cost grows, not how large it is.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.avatar import Options
from pipeline.bench import loops, product
from pipeline.bench.material import ROOT, Material, prepare_material
from pipeline.bench.process import run_watched

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOT = ROOT / "docs" / "media" / "bench_online.png"
MODES = {
    "keep": "keep everything",
    "offline": "longtake --offline",
    "online": "longtake (online)",
}
COLOURS = {"keep": "#b5482f", "offline": "#6b7f99", "online": "#1f4e79"}
MOST_GROWTH, MOST_BEND = 1.03, 1.10
MIB = 1 << 20


@dataclass(frozen=True)
class FilmCost:
    """Memory, disk and time that one film took."""

    mode: str
    clips: int
    memory: int
    """The most bytes that the process tree held."""
    disk: int
    """Bytes on the disk at the end."""
    first_playable: float
    """Seconds from the command until a clip could be played."""
    seconds_a_clip: float
    """From the first denoise until the film is there, over its clips."""


def measure_film(film: Material, mode: str, folder: Path) -> FilmCost:
    """Make one film in a fresh process, remove what it wrote, and give what it took."""
    return (
        _measure_keeping(film, folder) if mode == "keep" else _measure_product(film, mode, folder)
    )


def _measure_keeping(film: Material, folder: Path) -> FilmCost:
    target = folder / "kept.mp4"
    done = run_watched(loops.loop_command("keep", film, target))
    result: dict[str, Any] = json.loads(done.stdout)
    disk = target.stat().st_blocks * 512
    target.unlink()
    seconds = (result["ended"] - result["begun"]) / film.clips
    return FilmCost("keep", film.clips, done.peak, disk, result["ended"] - done.begun, seconds)


def _measure_product(film: Material, mode: str, folder: Path) -> FilmCost:
    root = folder / f"{mode}.{film.clips}"
    made = product.make_film(film, root, *(["--offline"] if mode == "offline" else []))
    shutil.rmtree(root)
    seconds = (made.ended - made.begun) / film.clips
    first = min(made.published) - made.started
    return FilmCost(mode, film.clips, made.peak, made.disk, first, seconds)


@dataclass(frozen=True)
class GrowthLevel:
    """One level of the figures over the length of the film."""

    name: str
    value: float
    asked: str
    passed: bool


def check_levels(costs: Sequence[FilmCost]) -> list[GrowthLevel]:
    """The levels: the product's memory does not grow, that of the keep-everything loop does; time is linear."""
    return [level for mode in MODES for level in _levels_of([c for c in costs if c.mode == mode])]


def _levels_of(costs: Sequence[FilmCost]) -> Iterator[GrowthLevel]:
    if len(costs) < 2:
        return
    first, before, last = costs[0], costs[-2], costs[-1]
    name, growth = MODES[last.mode], last.memory / first.memory
    words = f"{name}: memory at {last.clips} over that at {first.clips}"
    if last.mode == "keep":
        yield GrowthLevel(words, growth, "rises", growth > MOST_GROWTH)
        return
    yield GrowthLevel(words, growth, f"≤ {MOST_GROWTH:.2f}", growth <= MOST_GROWTH)
    # The one before last, not the first: ten clips are mostly the start.
    bend = last.seconds_a_clip / before.seconds_a_clip
    words = f"{name}: seconds a clip at {last.clips} over that at {before.clips}"
    yield GrowthLevel(words, bend, f"≤ {MOST_BEND:.2f}", bend <= MOST_BEND)


def describe_film(film: Material) -> str:
    """The film that is measured, in words."""
    told = film.options
    size, step = f"{told.width}×{told.height}", "step" if told.steps == 1 else "steps"
    return f"{film.model}, {size}, {told.steps} {step}, {told.clip_frames} frames a clip"


def format_table(costs: Sequence[FilmCost], film: Material, load: float) -> str:
    """All figures as a table for people."""
    lines = [
        f"{describe_film(film)}; {os.cpu_count()} cores, load {load:.2f} before",
        "",
        f"{'':<20}{'clips':>6}{'memory MiB':>12}{'disk MiB':>10}{'first playable s':>18}{'s a clip':>10}",
    ]
    lines += [
        f"{MODES[cost.mode]:<20}{cost.clips:>6}{cost.memory / MIB:12.1f}{cost.disk / MIB:10.1f}"
        f"{cost.first_playable:18.1f}{cost.seconds_a_clip:10.3f}"
        for cost in costs
    ]
    lines += ["", f"{'level':<62}{'measured':>10}{'asked':>9}"]
    lines += [
        f"{one.name:<62}{one.value:10.3f}{one.asked:>9}  {'pass' if one.passed else 'FAIL'}"
        for one in check_levels(costs)
    ]
    return "\n".join(lines)


def plot_costs(costs: Sequence[FilmCost], film: Material, path: Path) -> None:
    """Write a PNG of three panels over the number of clips: memory, seconds a clip, time to the first playable clip."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    panels = {
        "Host memory, peak (MiB)": lambda cost: cost.memory / MIB,
        "Seconds a clip": lambda cost: cost.seconds_a_clip,
        "Seconds to the first playable clip": lambda cost: cost.first_playable,
    }
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    for axis, (title, value) in zip(axes, panels.items(), strict=True):
        for mode, name in MODES.items():
            points = [(cost.clips, value(cost)) for cost in costs if cost.mode == mode]
            if points:
                axis.plot(*zip(*points, strict=True), "o-", color=COLOURS[mode], label=name)
        _label_axis(axis, title, sorted({cost.clips for cost in costs}))
    axes[0].legend(frameon=False, loc="lower right")
    figure.suptitle(f"{describe_film(film)}, {os.cpu_count()} CPU cores", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _label_axis(axis: "Axes", title: str, clips: list[int]) -> None:
    axis.set_title(title, fontsize=11)
    axis.set_xticks(clips, [str(number) for number in clips])
    axis.set_xlabel("clips in the film")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def measure_all(words: argparse.Namespace, folder: Path) -> tuple[list[FilmCost], Material]:
    """The cost of every mode at every length; tells its progress on stderr."""
    costs = []
    for clips in words.clips:
        film = prepare_material(folder, clips, options_of(words), words.model)
        for mode in words.modes:
            costs.append(measure_film(film, mode, folder))
            print(json.dumps(asdict(costs[-1])), file=sys.stderr)
    return costs, film


def main() -> int:
    """Measure, plot, and print one table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=_parse_numbers, default=[10, 100, 500, 1000])
    parser.add_argument(
        "--modes", type=_parse_modes, default=list(MODES), help="keep,offline,online"
    )
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--weights", default="", help="of the model, where it needs a folder")
    parser.add_argument("--size", default="64*64")
    parser.add_argument("--sample-steps", type=int, default=1)
    parser.add_argument("--infer-frames", type=int, default=12, help="frames of a clip")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs", help="on the disk to measure")
    parser.add_argument("--plot", type=Path, default=PLOT)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(dir=words.folder, prefix="bench-online.") as place:
        costs, film = measure_all(words, Path(place))
    plot_costs(costs, film, words.plot)
    reached = [asdict(level) for level in check_levels(costs)]
    facts = {"costs": [asdict(cost) for cost in costs], "levels": reached, "load_before": load}
    print(json.dumps(facts, indent=2) if words.json else format_table(costs, film, load))
    return 0 if all(level["passed"] for level in reached) else 1


def options_of(words: argparse.Namespace) -> Options:
    """The model's options by the words of the command line."""
    width, height = map(int, words.size.split("*"))
    return Options(width, height, words.infer_frames, words.sample_steps, words.weights)


def _parse_numbers(text: str) -> list[int]:
    return sorted(int(word) for word in text.split(","))


def _parse_modes(text: str) -> list[str]:
    asked = text.split(",")
    if unknown := set(asked) - set(MODES):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: one of {', '.join(MODES)}")
    return [mode for mode in MODES if mode in asked]


if __name__ == "__main__":
    sys.exit(main())
