"""--turns: a table who speaks from when to when, for several speakers who share one soundtrack."""

import csv
import io
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from storage.errors import BadOption
from storage.printable import spell_unprintable
from storage.speaker import MOST_TURNS, Turn
from tasks.script_file import read_text
from tasks.timeline import format_duration, read_time

FLAG = "--turns"
COLUMNS = ("from", "until", "speaker")
NEAR_END = Fraction(1, 10)
"""Seconds by which the last turn may end after the sound: an editor's end is seldom a whole sample."""
_SHOWN = 40


def read_turns(path: Path, speakers: int, seconds: Fraction, rate: int) -> tuple[Turn, ...]:
    """The turns of a sound that lasts so many seconds, in samples at `rate`. Raises BadOption, which names the row."""
    try:
        rows = _read_rows(read_text(path))
        turns = tuple(_read_row(row, n, speakers, rate) for n, row in enumerate(rows, 1))
        _require_order(turns)
        end = round(seconds * rate)
        if turns[-1].stop > end + NEAR_END * rate:
            raise ValueError(f"row {len(turns)} ends past the end: the sound lasts {format_duration(seconds)}")  # fmt: skip
    except ValueError as error:
        raise BadOption(FLAG, path, str(error)) from None
    return turns


def _read_rows(text: str) -> list[Mapping[str, str]]:
    try:
        rows: list[Mapping[str, str]] = list(
            csv.DictReader(io.StringIO(text), strict=True, skipinitialspace=True)
        )
    except csv.Error as error:
        raise ValueError(f"it is no CSV: {error}") from None
    if not rows:
        raise ValueError(f"it has no turn: a first row {','.join(COLUMNS)} is needed, then a row each")  # fmt: skip
    if any(set(row) != set(COLUMNS) for row in rows):
        raise ValueError(f"its first row must be {','.join(COLUMNS)}, and no row may have more")
    if len(rows) > MOST_TURNS:
        raise ValueError(f"it has {len(rows)} turns, and {MOST_TURNS} can be had")
    return rows


def _read_row(row: Mapping[str, str], number: int, speakers: int, rate: int) -> Turn:
    try:
        words = [_spell(row[name]) for name in COLUMNS]
        start, stop = (round(read_time(word) * rate) for word in words[:2])
        if words[2] not in map(str, range(1, speakers + 1)):
            raise ValueError(f"speaker is a number from 1 to {speakers}, not {words[2]}")
        if stop <= start:
            raise ValueError("it ends before it begins")
    except ValueError as error:
        raise ValueError(f"row {number}: {error}") from None
    return Turn(start, stop, int(words[2]) - 1)


def _spell(word: str | None) -> str:
    return spell_unprintable(word or "").strip()[:_SHOWN]


def _require_order(turns: tuple[Turn, ...]) -> None:
    """Raise ValueError where turns overlap or come in another order than in the film."""
    for number, (one, other) in enumerate(pairwise(turns), 1):
        if other.start < one.start:
            raise ValueError(f"row {number + 1} must begin after row {number}")
        if other.start < one.stop:
            raise ValueError(f"row {number} goes on when row {number + 1} begins")
