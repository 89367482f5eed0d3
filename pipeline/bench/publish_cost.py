"""What publishing costs by itself: python -m pipeline.bench.publish_cost RUN SCRATCH. The benchmark starts it; no film needs it."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.run import Run


def measure_publishing(root: Path, scratch: Path) -> dict[str, float]:
    """Median seconds a clip to publish each array of a finished run once more, into a fresh folder, and a carry."""
    from storage.run import Run
    from storage.run_beginning import NewRun

    there = Run.open(root)
    start = NewRun(
        there.spec,
        there.settings,
        there.sources,
        there.fingerprint,
        there.image_path,
        there.audio_path,
    )
    here = Run.create(scratch, start)
    names = ("audio", "latents", "steps", "frames")
    seconds = {name: _time_array(there, here, name) for name in names}
    seconds["segment"] = _time_segments(there, here)
    if (clip := there.carry.newest(there.spec.clips)) is not None:
        pieces = list(there.carry.load(clip))
        seconds["carry"] = _time_call(lambda: here.carry.publish(clip, pieces))
    return {name: round(value, 6) for name, value in seconds.items()}


def _time_array(there: "Run", here: "Run", name: str) -> float:
    laps = []
    for clip in range(there.spec.clips):
        if getattr(there, name).complete(clip):
            array = getattr(there, name).read(clip)
            laps.append(_time_call(lambda: getattr(here, name).publish(clip, array)))  # noqa: B023 - called at once
    return median(laps) if laps else 0.0


def _time_segments(there: "Run", here: "Run") -> float:
    from storage.publish import publish_bytes

    def publish(clip: int) -> None:
        publish_bytes(here.segment_path(clip), content)
        here.records.commit("segment", clip, bytes=len(content))

    laps = []
    for clip in range(there.spec.clips):
        content = there.segment_path(clip).read_bytes()
        laps.append(_time_call(lambda: publish(clip)))  # noqa: B023 - called at once
    return median(laps)


def _time_call(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    print(json.dumps(measure_publishing(*map(Path, sys.argv[1:3]))))
