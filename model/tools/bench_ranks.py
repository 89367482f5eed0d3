"""How much sooner several ranks denoise than one, what each takes of its card, and that the bytes are the same (by heads: how near the latents are): python -m model.tools.bench_ranks --weights ckpt --gpus 2.

live-avatar with the weights of a folder (random ones: python -m model.tools.make_checkpoint --out ckpt). Each way is tried in processes of its own
(model/tools/rank_trial.py), whose lines of JSON are printed as they come; a table follows.
"""

import argparse
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from model.tools.rank_trial import RankTrial

FIRST = 3
"""Clips that are not counted: kernels are built, behind clip 0 everything waits for the sink, and graphs are captured."""
ROOT = Path(__file__).parents[2]


@dataclass
class TriedWay:
    """What a trial has said so far."""

    name: str
    kept: Path = Path()
    """Where the latents of its clips are."""
    by_heads: bool = False
    """Its ranks have shared out the heads: its bytes are others, and near."""
    seconds: list[float] = field(default_factory=list)
    """Of each clip."""
    digests: list[str] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)
    """The most bytes of each rank's process, as the driver says."""
    planned: float | None = None
    """Seconds of a clip by arithmetic."""
    ended: bool = False

    def note(self, facts: dict[str, Any]) -> None:
        """Take in one line."""
        self.memory |= facts.get("memory", {})
        self.ended = self.ended or "ended" in facts
        self.planned = facts.get("planned", self.planned)
        if "clip" in facts:
            self.seconds.append(facts["seconds"])
            self.digests.append(facts["digest"])

    @property
    def counted(self) -> list[float]:
        """Seconds of the clips that count: not of the last, either, while which ranks have nothing more to begin."""
        return self.seconds[FIRST:-1] or self.seconds[FIRST:]

    @property
    def pace(self) -> float | None:
        """Seconds of a clip, the median of those that count: now and then one waits for the allocator."""
        return median(self.counted) if self.counted else None

    @property
    def drift(self) -> float | None:
        """How much longer the later half of the clips that count took, as a factor."""
        half = len(self.counted) // 2
        return mean(self.counted[-half:]) / mean(self.counted[:half]) if half else None

    def is_same(self, first: "TriedWay") -> bool:
        """Whether the bytes are those of `first`, as far as both have gone."""
        return all(a == b for a, b in zip(self.digests, first.digests, strict=False))

    def compare(self, first: "TriedWay") -> str:
        """Its bytes against those of `first`, in words; by heads, how far its latents are from them at clip 0 and at the last, as a share of their size."""
        if not (shared := min(len(self.digests), len(first.digests))):
            return "–"
        if self.is_same(first):
            return "the same"
        if not (self.by_heads or first.by_heads):
            return "OTHERS"
        return " … ".join(f"{measure_distance(first, self, clip):.1e}" for clip in (0, shared - 1))

    def row(self, first: "TriedWay") -> str:
        """Its row of the table; `first` is what it is compared with."""
        against = first.pace / self.pace if first.pace and self.pace else None
        off = self.planned / self.pace - 1 if self.planned and self.pace else None
        taken = ", ".join(f"{self.memory[rank] / 1e9:.2f}" for rank in sorted(self.memory))
        cells = (
            self.name + ("" if self.ended else ", not ended"),
            str(len(self.seconds)),
            *("–" if number is None else f"{number:.3f}" for number in (self.pace, against)),
            "–" if self.drift is None else f"{self.drift:.3f}",
            "–" if off is None else f"{self.planned:.3f} ({off:+.0%})",
            taken or "–",
            self.compare(first),
        )
        return f"| {' | '.join(cells)} |"


def main(words: Sequence[str] | None = None) -> int:
    """Try one way after the other; print one table. 1 where one has not come to its end, or made other bytes (by heads: latents that are no numbers)."""
    given = read_arguments(words)
    with TemporaryDirectory() as kept:
        tried = try_ways(given, Path(kept))
        print_table(tried)
        well = all(way.ended and fits(way, tried[0]) for way in tried)
    return 0 if well else 1


def try_ways(given: argparse.Namespace, kept: Path) -> list[TriedWay]:
    """Each way that is asked for; their latents are left in a folder."""
    shared = RankTrial(
        given.weights,
        size=given.size,
        device=given.device,
        fp8=given.fp8,
        one_card=given.one_card,
        clips=given.clips,
    )
    ways = given.ways or ["1", f"steps{given.gpus}", f"layers{given.gpus}"]
    trials = []
    for number, word in enumerate(ways):
        (folder := kept / str(number)).mkdir()
        trials.append(replace(read_way(word, shared), kept=str(folder)))
    tried = [try_way(trials[0], given.limit)]
    with ThreadPoolExecutor(given.at_once) as threads:
        tried += threads.map(lambda trial: try_way(trial, given.limit), trials[1:])
    return tried


def fits(way: TriedWay, first: TriedWay) -> bool:
    """Whether what it made may be what `first` made."""
    return "OTHERS" not in (found := way.compare(first)) and "nan" not in found


def measure_distance(one: TriedWay, other: TriedWay, clip: int) -> float:
    """How far the latents of a clip are from those of another way, as a share of their size: root mean squares."""
    a, b = (np.load(way.kept / f"{clip}.npy") for way in (one, other))
    return float(np.linalg.norm(b - a) / np.linalg.norm(a))


def read_arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--gpus", type=int, default=2)
    parser.add_argument("--size", default="704*384")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--fp8", action="store_true")
    parser.add_argument("--one-card", action="store_true", help="all ranks share the first card")
    parser.add_argument("--limit", type=float, help="seconds after which a way is ended")
    parser.add_argument(
        "--at-once", type=int, default=1, help="so many of the ways behind the first together"
    )
    told = "such as 1, steps2, heads2, layers4:12, layers4:12:24:whole; GB a rank; whole: rank 0 also hears and decodes"
    parser.add_argument("--ways", nargs="+", metavar="WAY[:CLIPS[:GB[:whole]]]", help=told)
    return parser.parse_args(words)


def read_way(word: str, shared: RankTrial) -> RankTrial:
    """What `layers4:12:24:whole` stands for: four ranks by layers, twelve clips, 24 GB of the card for each, everything that rank 0 does in a film. Raises ValueError."""
    match = re.fullmatch(r"(1|(steps|layers|heads)(\d+))(?::(\d*))?(?::([\d.]*))?(:whole)?", word)
    if match is None:
        raise ValueError(f"{word}: 1, steps2, layers4, heads2 and the like are ways")
    return replace(
        shared,
        ranks=int(match[3] or 1),
        parallel=match[2] or "auto",
        clips=int(match[4] or shared.clips),
        memory=int(float(match[5]) * 1e9) if match[5] else None,
        whole=bool(match[6]),
    )


def try_way(trial: RankTrial, limit: float | None) -> TriedWay:
    """Let a process try it, for so many seconds; what it says is printed as it comes."""
    tried = TriedWay(trial.name, Path(trial.kept), trial.parallel == "heads")
    command = [sys.executable, "-m", "model.tools.rank_trial", trial.encode()]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in _lines_in_time(process, limit):
            print(line, end="", flush=True)
            if line.startswith("{"):  # with NCCL_DEBUG its own lines come between
                tried.note(json.loads(line))
    return tried


def _lines_in_time(process: "subprocess.Popen[str]", limit: float | None) -> Iterator[str]:
    assert process.stdout is not None
    end: Callable[[], None] = process.kill  # its ranks end with it
    timer = threading.Timer(limit, end) if limit else None
    if timer:
        timer.start()
    yield from process.stdout
    if timer:
        timer.cancel()


def print_table(tried: list[TriedWay]) -> None:
    """A row for each way, compared with the first."""
    heads = (
        "ranks",
        "clips",
        "seconds a clip",
        f"{tried[0].name} against it",
        "later half",
        "planned on an H200",
        "GB of each rank",
        "bytes",
    )
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for way in tried:
        print(way.row(tried[0]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
