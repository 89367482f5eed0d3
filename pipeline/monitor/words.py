"""Figures in words, for every screen alike: bytes, lengths of time, numbers of clips."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import islice
from typing import Any

from storage.errors import count_noun, describe_span
from storage.printable import spell_unprintable
from storage.seed_history import DUB_RATE, Take
from tasks.timeline import clock_tenths, format_duration

MOST_SPANS = 20
"""Stretches of clips that are named on a terminal; --json names all."""


def format_bytes(count: int) -> str:
    """A number of bytes in words; GB = 1e9."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


def value_in_words(value: object) -> str:
    """A setting's value in words: a digest by its beginning, nothing as a dash, takes as what was made again."""
    if value in (None, "", ()):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return ", ".join(str(Take.from_facts(each)) for each in value)
    text = str(value)
    digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return f"{text[:12]}…" if digest else spell_unprintable(text)


def film_length(frames: int, fps: float) -> str:
    """The length of a film in words: `0:12:07`, `0:00:00.48`."""
    return format_duration(Fraction(frames) / Fraction(fps))


def time_in_words(seconds: float, digits: int = 1) -> str:
    """Seconds in words: `0.4 s`, `8.0 s`, `75 s`, `2:05 min`, `2:03:10 h`."""
    whole = round(seconds)
    if whole < 100:
        return f"{seconds:.{digits}f} s" if seconds < 9.95 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d} h"


def speed_in_words(seconds_a_clip: float, frames_a_second: float) -> str:
    """A speed in words: `0.61 s a clip, 78.7 frames a second`."""
    return f"{time_in_words(seconds_a_clip, 2)} a clip, {frames_a_second:.1f} frames a second"


def clips_in_words(clips: Iterable[int]) -> str:
    """Clip numbers in words: `clip 4`, `3 clips: 4, 7 to 8`; clips are in their order."""
    spans: list[list[int]] = []
    number = 0
    for clip in clips:
        number += 1
        if spans and spans[-1][1] == clip - 1:
            spans[-1][1] = clip
        else:
            spans.append([clip, clip])
    several = ", ".join(describe_span(*each) for each in islice(spans, MOST_SPANS))
    more = " …" if spans[MOST_SPANS:] else ""
    return f"clip {several}" if number == 1 else f"{count_noun(number, 'clip')}: {several}{more}"


def clips_of_parent(parent: Mapping[str, Any]) -> list[int]:
    """The clips that a retake made again, by what its run says of the old one."""
    spans = ((parent["clip"], parent["until"]), *parent.get("also", ()))
    return [clip for start, stop in spans for clip in range(int(start), int(stop))]


def dub_in_words(start: int, stop: int) -> str:
    """Where another sound is heard in a film, told in samples: `from 0:00:05.2 to 0:00:08.0`."""
    begin, end = (clock_tenths(Fraction(sample, DUB_RATE)) for sample in (start, stop))
    return f"from {begin} to {end}"


def format_figure(value: float, digits: int) -> str:
    """A number in figures with a true minus sign: `−0.25`."""
    return f"{value:.{digits}f}".replace("-", "−")


def format_beside_bounds(value: float, bounds: Iterable[float], digits: int = 2) -> str:
    """The value with as many digits as it takes to see on which side of each bound it lies, and at least so many."""
    known = tuple(bounds)
    while digits < _ALL_DIGITS:
        shown = float(f"{value:.{digits}f}")
        if all((shown < each, shown > each) == (value < each, value > each) for each in known):
            break
        digits += 1
    return format_figure(value, digits)


_ALL_DIGITS = 17


COLOURS = {"whole": "green", "damaged": "red", "lost": "red"} | {
    "working": "cyan",
    "finished": "green",
    "stopped": "yellow",
    "failed": "red",
}


def state_in_words(state: str) -> tuple[str, tuple[str, str]]:
    """A run's state in words, and their style: `is working`, `has failed`."""
    verb = "has " if state == "failed" else "is "
    return verb, (state, f"bold {COLOURS[state]}")
