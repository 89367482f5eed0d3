"""What share of the time each rank computed, waited for another's tensors, or had nothing to do: python -m model.tools.rank_timeline FOLDER.

The folder is one that LONGTAKE_TASK_TIMES named while a film was shared out (python -m model.tools.bench_ranks). The first three clips and the last are
left out. On rank 0 the decoder's work on the same card counts as computing where it lies between two kernels of a task, else as idle.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

FIRST = 3
"""Clips that are not counted."""

Row = tuple[int, int, int, float, float, float]
"""Clip, block, step; asked for, begun, done: seconds since 1970."""


@dataclass(frozen=True)
class RankShares:
    """Shares of the time between a rank's first counted task and the first of the last clip."""

    rank: int
    clips: int
    seconds: float
    """Of a clip."""
    computing: float
    waiting: float
    """For tensors of other ranks."""

    @property
    def idle(self) -> float:
        """Nothing was asked of it, or the decoder was at work."""
        return 1 - self.computing - self.waiting


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    print("| rank | seconds a clip | computing | waiting for tensors | idle, or decoding |")
    print("|---|---|---|---|---|")
    for path in sorted(parser.parse_args().folder.glob("rank-*.json")):
        rows = [tuple(row) for row in json.loads(path.read_text(encoding="utf-8"))]
        found = measure_shares(int(path.stem.partition("-")[2]), rows)
        parts = f"{found.computing:.1%} | {found.waiting:.1%} | {found.idle:.1%}"
        print(f"| {found.rank} | {found.seconds:.3f} | {parts} |")


def measure_shares(rank: int, rows: list[Row]) -> RankShares:
    """The shares of a rank's tasks, of the clips that count. Raises ValueError where there are none."""
    last = max(row[0] for row in rows)
    if last <= FIRST:
        raise ValueError(
            f"{last + 1} clips are too few: the first {FIRST} and the last do not count"
        )
    start, stop = (min(row[3] for row in rows if row[0] == clip) for clip in (FIRST, last))
    # By time, not by clip: by layers those of two clips take turns, and what was left out would look idle.
    counted = [row for row in rows if start <= row[3] < stop]
    span, a_clip = stop - start, sum(row[0] == FIRST for row in rows)
    waiting = sum(begun - asked for *_, asked, begun, _ in counted) / span
    computing = sum(done - begun for *_, begun, done in counted) / span
    return RankShares(rank, last - FIRST, span * a_clip / len(counted), computing, waiting)


if __name__ == "__main__":
    main()
