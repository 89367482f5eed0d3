"""What a live film costs, and how far behind it is: python -m pipeline.bench.bench_live [--json].

Films in fresh processes, turn by turn, without and with --grow, which does all that --live does and more. Frames a second from the first denoise until the
film is published, the seconds of processor that the whole process took, the share of the film's time in which clips were put into the live film, the
seconds from the command until the first clip stood in the playlist, and the most seconds from a clip's publishing until it stood there.
"""

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pipeline.bench import product
from pipeline.bench.film_kinds import children_cpu_seconds, run_bench
from pipeline.bench.material import Material

WORDS = {"plain": "without a live film", "grow": "--grow"}


@dataclass(frozen=True)
class LiveCost:
    """Speed and processor time of one film, and how far its playlist was behind; 0 where it has none."""

    fps: float
    processor: float
    """Seconds, of user and system."""
    share: float
    """Of the film's time, in which clips were put into the live film."""
    first: float
    """Seconds from the command until a clip stood in the playlist."""
    latency: float
    """The most seconds from a clip's publishing until it stood there."""


def make_film(film: Material, root: Path, kind: str) -> LiveCost:
    """Make one film, and remove it."""
    before = children_cpu_seconds()
    made = product.make_film(film, root, *(["--grow"] if kind == "grow" else []))
    lines = (root / "events.jsonl").read_text().splitlines()
    shutil.rmtree(root)
    added = product.select_events([json.loads(line) for line in lines], "live_extended")
    stood = [event["time"] for event in added]
    return LiveCost(
        fps=film.clips * film.options.clip_frames / (made.ended - made.begun),
        processor=children_cpu_seconds() - before,
        share=sum(event["seconds"] for event in added) / (made.ended - made.begun),
        first=stood[0] - made.started if stood else 0.0,
        latency=max((b - a for a, b in zip(made.published, stood, strict=False)), default=0.0),
    )


def measure_all(film: Material, runs: int, folder: Path) -> dict[str, list[LiveCost]]:
    """All films by kind; tells its progress on stderr."""
    found: dict[str, list[LiveCost]] = {kind: [] for kind in WORDS}
    for number in range(runs):
        for kind, films in found.items():
            films.append(make_film(film, folder / f"{kind}.{number}", kind))
            told = (
                f"{number + 1}/{runs} {kind}: {films[-1].fps:.1f} fps, {films[-1].processor:.2f} s"
            )
            print(told, file=sys.stderr)
    return found


def format_table(found: dict[str, list[LiveCost]]) -> str:
    """All figures as a table for people."""
    best = {kind: max(each.fps for each in films) for kind, films in found.items()}
    work = {kind: median(each.processor for each in films) for kind, films in found.items()}
    head = ("fps, best", "of plain", "processor", "of plain", "share", "first, s", "latency, s")
    lines = [f"{'':22}" + "".join(f"{word:>12}" for word in head)]
    for kind, words in WORDS.items():
        first, share = (
            median(getattr(each, name) for each in found[kind]) for name in ("first", "share")
        )
        latency = max(each.latency for each in found[kind])
        lines.append(
            f"{words:22}{best[kind]:12.1f}{best[kind] / best['plain']:12.3f}{work[kind]:12.2f}"
            f"{work[kind] / work['plain']:12.3f}{share:12.4f}{first:12.2f}{latency:12.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_bench(__doc__, measure_all, format_table))
