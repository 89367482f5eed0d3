"""What a run's events tell of it: read once, or followed while they are written."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pipeline.monitor.eta import EtaEstimator
from storage.run_paths import open_plain
from storage.schema import Unfit, parse_json
from storage.spec import CARRY_FIRST

Event = tuple[str, dict[str, object], float]
"""Its name, its facts, its time."""
LONGEST = 1 << 20
"""Bytes of a line; of a longer one each part is passed over."""
MOST = 1 << 28
"""Bytes of the file that are read, its last."""
_GREATEST = 1e19
"""Of numbers, and so of times."""


class EventTail:
    """Reads a file of events, each once, also while it is written."""

    def __init__(self, path: Path) -> None:
        self._path, self._at = path, 0

    def read(self) -> Iterator[Event]:
        """The events since the last call; a line that is torn or damaged is skipped, one that is half-written waits."""
        try:
            file = open_plain(self._path, os.O_RDONLY)
        except OSError:
            return
        with os.fdopen(file, "rb") as lines:
            end = lines.seek(0, os.SEEK_END)
            # From its beginning again, where it is another file of that name.
            self._at = max(self._at if self._at <= end else 0, end - MOST)
            lines.seek(self._at)
            while line := lines.readline(LONGEST):
                if not line.endswith(b"\n") and len(line) < LONGEST:
                    return
                self._at += len(line)
                if (event := _parse_line(line)) is not None:
                    yield event


def _parse_line(line: bytes) -> Event | None:
    """The event of a line; None where no event of ours can look like that, for somebody else may have written it."""
    with suppress(Unfit, KeyError, AttributeError, TypeError):
        facts = parse_json(line)
        event, when = facts.pop("event"), facts.pop("time")
        if isinstance(event, str) and _is_number(when) and all(map(_is_fact, facts.values())):
            return event, facts, float(when)
    return None


def _is_fact(value: object) -> bool:
    return value is None or isinstance(value, str | bool) or _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and -_GREATEST < value < _GREATEST


class EventSummary:
    """What is remembered of a run's events; its size does not grow with the film."""

    def __init__(self) -> None:
        self.eta = EtaEstimator()
        self.carry_interval = CARRY_FIRST
        """Clips between two carries, where they are chosen by their cost."""
        self.fault: str | None = None
        """The last one that ended the work, if no work came after it."""
        self.device: Mapping[str, object] = {}
        """What the driver said of the card after the last clip of this start."""
        self.last = ""
        """The last event, in words."""
        self.last_at: float | None = None
        self.idle = True
        """Nothing was made since the last start."""

    def add_event(self, event: str, facts: Mapping[str, object], when: float) -> None:
        """Take note of one event."""
        with suppress(KeyError, ValueError, TypeError):  # a damaged line that is JSON all the same
            self.eta.add_event(event, facts, when)
            self._remember(event, facts)
        self.last, self.last_at = describe_event(event, facts), when

    def _remember(self, event: str, facts: Mapping[str, object]) -> None:
        if event == "run_started":
            # Each start begins with the same spacing.
            self.carry_interval, self.device, self.idle = CARRY_FIRST, {}, True
        elif event == "carry_every_chosen":
            self.carry_interval = int(str(facts["every"]))
        elif event == "device_sampled":
            self.device = {name: facts[name] for name in _DEVICE if _is_number(facts.get(name))}
            self.device |= {"card": str(facts["card"])} if "card" in facts else {}
        if event in {"clip_denoised", "clip_replayed", "clip_published"}:
            self.idle = False
        self.fault = _fault_after(event, facts, self.fault)

    @property
    def usual_seconds(self) -> float | None:
        """Seconds that the slowest stage usually takes for a clip; None where nothing is usual yet."""
        known = [each for each in (self.eta.seconds_a_clip, *self.eta.stages.values()) if each]
        return None if self.idle or not known else max(known)


def describe_event(event: str, facts: Mapping[str, object]) -> str:
    """An event in words: `clip published (clip 3)`, `segment done (clip 3)`."""
    what = f"{facts.get('stage')} done" if event == "stage_seconds" else event.replace("_", " ")
    clip = facts.get("clip")
    return what if clip is None else f"{what} (clip {clip})"


_DEVICE = ("used", "total", "temperature", "load")


def _fault_after(event: str, facts: Mapping[str, object], before: str | None) -> str | None:
    if event in {"run_started", "clip_published"}:
        return None
    if event == "clip_failed":
        return f"clip {facts.get('clip')} failed while {facts.get('stage')}: {facts.get('error')}"
    if event == "run_refused":
        return str(facts.get("error"))
    if event == "stalled":
        return f"{facts.get('stage')} of clip {facts.get('clip')} hung for {facts.get('seconds')} s, and the watchdog ended it"
    return before
