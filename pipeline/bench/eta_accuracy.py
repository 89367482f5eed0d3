"""How well the time that is left was told, out of a film's own events: python -m pipeline.bench.eta_accuracy RUN."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.monitor.eta import EtaEstimator
from pipeline.monitor.event_reader import Event, EventTail


@dataclass(frozen=True)
class EtaSample:
    """The time left that was told after one clip, and the time that it took."""

    made: int
    """Clips since the start."""
    clips: int
    said: float
    took: float

    @property
    def error(self) -> float:
        """The error as a share of the time that it took."""
        return abs(self.said - self.took) / self.took


def sample_etas(events: Iterable[Event]) -> Iterator[EtaSample]:
    """A sample after each clip but the last of the last start; none where that start did not come to its end."""
    pace, said = EtaEstimator(), list[tuple[int, float, float]]()
    for event, facts, now in events:
        if event == "run_started":
            said.clear()
        pace.add_event(event, facts, now)
        if event == "clip_published" and pace.eta is not None:
            said.append((pace.made, pace.eta, now))
    if pace.done < pace.clips or not said:
        return
    end = said[-1][2]
    for made, eta, now in said[:-1]:
        if end > now:
            yield EtaSample(made, pace.clips, eta, end - now)


def main() -> int:
    """Print the errors after the first clip, after 5 clips or 1 %, and the worst from there to the last tenth; 1 where a level is missed."""
    found = list(sample_etas(EventTail(Path(sys.argv[1]) / "events.jsonl").read()))
    if not found:
        print("This run did not come to its end in one start, or has one clip.")
        return 1
    settled = max(5, -(-found[0].clips // 100))
    first = found[0]
    later = [each for each in found if each.made >= settled]
    # In the last clips a second is much of what is left.
    body = [each for each in later if each.made <= 0.9 * each.clips] or later
    for words, each in (("first clip", first), (f"{settled} clips", later[0] if later else first)):
        print(
            f"after {words:12} said {each.said:8.1f} s, took {each.took:8.1f} s: {each.error:.1%} off"
        )
    worst = max(body or [first], key=lambda each: each.error)
    print(f"worst from there to nine tenths: after {worst.made} clips, {worst.error:.1%} off")
    return 0 if first.error <= 0.3 and (not later or later[0].error <= 0.1) else 1


if __name__ == "__main__":
    sys.exit(main())
