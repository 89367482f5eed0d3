"""How fast films are made, and what checkpoints cost: make bench, or python -m pipeline.bench.bench [--json]; --model live-avatar --weights DIR for a card.

The whole path (`longtake new` in a fresh process and a fresh run folder on a disk) against the bare loop: the same generate, decode and x264 calls in memory,
in the same two threads, turn by turn. Then each stage by itself, on one thread.
"""

import argparse
import json
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.bench import loops, product
from pipeline.bench.material import Material, add_film_flags, asked_material
from pipeline.bench.process import run_watched

LEAST_FPS = {256: 60.0, 512: 25.0}
"""Of films with sides of so many pixels, or fewer."""
MOST_RATIO = 1.10

Facts = dict[str, Any]


@dataclass(frozen=True)
class FilmPair:
    """Frames a second of one film by the product and one by the bare loop, one after the other."""

    whole: float
    """From the first denoise until the film was published."""
    whole_steady: float
    """From the first published clip to the last."""
    bare: float
    """From the first denoise until the last segment was encoded."""
    bare_steady: float
    same: bool
    """Every segment has the same bytes in both."""

    @property
    def ratio(self) -> float:
        """The product's time as a multiple of the bare loop's."""
        return self.bare / self.whole


def run_pair(film: Material, root: Path) -> FilmPair:
    """Make a film by the product and by the bare loop; their speeds."""
    made = product.make_film(film, root)
    words = loops.loop_command("bare", film, root)
    bare: Facts = json.loads(run_watched(words).stdout)
    clip_frames = film.options.clip_frames
    frames = film.clips * clip_frames

    def steady(stamps: list[float]) -> float:
        return (frames - clip_frames) / (stamps[-1] - stamps[0]) if len(stamps) > 1 else 0.0

    return FilmPair(
        frames / (made.ended - made.begun),
        steady(made.published),
        frames / (bare["ended"] - bare["begun"]),
        steady(bare["published"]),
        made.digests == bare["digests"],
    )


def time_stages(film: Material, root: Path) -> dict[str, float]:
    """Milliseconds a frame of each stage by itself, on one thread, and of publishing what it made."""
    words = loops.loop_command("alone", film, root)
    work: dict[str, float] = json.loads(run_watched(words).stdout)
    scratch = root.with_name(f"{root.name}.again")
    words = [sys.executable, "-m", "pipeline.bench.publish_cost", str(root), str(scratch)]
    published: dict[str, float] = json.loads(run_watched(words).stdout)
    shutil.rmtree(scratch)
    whole = {**work, **{f"publish {name}": value for name, value in published.items()}}
    return {name: 1000 * value / film.options.clip_frames for name, value in whole.items()}


def measure_all(film: Material, runs: int, folder: Path) -> Facts:
    """All figures of `runs` pairs of films; tells its progress on stderr."""
    load = os.getloadavg()[0]
    pairs = []
    for number in range(runs):
        root = folder / f"run.{number}"
        pairs.append(run_pair(film, root))
        last = pairs[-1]
        print(
            f"{number + 1}/{runs}: {last.whole:.1f} fps, bare {last.bare:.1f} fps", file=sys.stderr
        )
        if number + 1 < runs:
            shutil.rmtree(root)
    return {
        "machine": describe_machine(folder, load),
        "film": {"clips": film.clips, **asdict(film.options), "runs": runs},
        "fps": {name: [getattr(pair, name) for pair in pairs] for name in FIGURES},
        "ratio_best": max(pair.bare for pair in pairs) / max(pair.whole for pair in pairs),
        "ratio_median": median(pair.ratio for pair in pairs),
        "same_bytes": all(pair.same for pair in pairs),
        "ms_per_frame": time_stages(film, root),
    }


FIGURES = {
    "whole": "whole path, first denoise to film",
    "whole_steady": "whole path, clip to clip",
    "bare": "bare loop, first denoise to last segment",
    "bare_steady": "bare loop, clip to clip",
}


def describe_machine(folder: Path, load: float) -> Facts:
    """The machine that was measured on: processor, cores, load, file system, Python."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_before": round(load, 2),
        "file_system": find_file_system(folder),
        "python": platform.python_version(),
    }


def find_file_system(folder: Path) -> str:
    """The kind of file system that a folder is on; fsync on a tmpfs costs nothing, and says nothing."""
    import psutil

    there = folder.resolve()
    mounts = {Path(one.mountpoint): one.fstype for one in psutil.disk_partitions(all=True)}
    return next((mounts[one] for one in (there, *there.parents) if one in mounts), "unknown")


def check_levels(facts: Facts) -> dict[str, tuple[float, str, bool]]:
    """Each level by name: the figure, what is asked, whether it is met."""
    best, ratio = max(facts["fps"]["whole"]), facts["ratio_best"]
    side = max(facts["film"]["width"], facts["film"]["height"])
    least = next((fps for most, fps in LEAST_FPS.items() if side <= most), 0.0)
    return {
        "whole path, best": (best, f"≥ {least:.0f} fps", best >= least),
        "over the bare loop, best/best": (ratio, f"≤ {MOST_RATIO:.2f}", ratio <= MOST_RATIO),
    }


def format_table(facts: Facts) -> str:
    """All figures as a table for people."""
    film, there = facts["film"], facts["machine"]
    made = f"{film['clips']} clips, {film['width']}×{film['height']}, {film['steps']} steps, {film['runs']} pairs"
    place = f"{there['cores']} cores ({there['processor']}), load {there['load_before']} before, {there['file_system']}"
    lines = [
        f"{made}; {place}",
        "",
        f"{'frames a second':<44}{'best':>8}{'median':>8}",
    ]
    lines += [
        f"{words:<44}{max(facts['fps'][name]):8.1f}{median(facts['fps'][name]):8.1f}"
        for name, words in FIGURES.items()
    ]
    lines += [
        f"{'time over the bare loop':<44}{facts['ratio_best']:8.3f}{facts['ratio_median']:8.3f}"
    ]
    same = "the same bytes" if facts["same_bytes"] else "OTHER BYTES: the two did not do the same"
    lines += [f"segments of both: {same}", "", "stage, alone on one thread        ms a frame"]
    lines += [f"  {name:<32}{value:10.3f}" for name, value in facts["ms_per_frame"].items()]
    lines += ["", f"{'level':<32}{'measured':>10}{'asked':>12}"]
    lines += [
        f"{name:<32}{value:10.2f}{asked:>12}  {'pass' if passed else 'FAIL'}"
        for name, (value, asked, passed) in check_levels(facts).items()
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, and print one table; the exit code."""
    which = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    which.add_argument("--model", choices=("pocket", "live-avatar"), default="pocket")
    of, rest = which.parse_known_args()
    if of.model != "pocket":
        from pipeline.bench import bench_gpu

        return bench_gpu.main(rest)
    more = "Large models have flags of their own, such as --rows: --model live-avatar --help."
    parser = argparse.ArgumentParser(description=__doc__, parents=[which], epilog=more)
    add_film_flags(parser, runs=5, counted="pairs of product and bare loop")
    words, unknown = parser.parse_known_args()
    if unknown:
        parser.error(f"unrecognized argument: {unknown[0]}. {more}")
    with asked_material(words) as (film, folder):
        facts = measure_all(film, words.runs, folder)
    print(json.dumps(facts, indent=2) if words.json else format_table(facts))
    return (
        0
        if all(passed for *_, passed in check_levels(facts).values()) and facts["same_bytes"]
        else 1
    )


if __name__ == "__main__":
    sys.exit(main())
