"""--turns: a table who speaks from when to when, for several speakers who share one soundtrack."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from storage.errors import BadOption
from storage.speaker import MOST_TURNS, Turn
from tasks.timeline import format_duration, read_time
from tasks.written_file import read_table, read_text, spell_shortly

FLAG = "--turns"
COLUMNS = ("from", "until", "speaker")
NEAR_END = Fraction(1, 10)
"""Seconds by which the last turn may end after the sound: an editor's end is seldom a whole sample."""


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


def _read_rows(text: str) -> Sequence[Mapping[str, str]]:
    rows = read_table(text)
    if not rows:
        raise ValueError(f"it has no turn: a first row {','.join(COLUMNS)} is needed, then a row each")  # fmt: skip
    if any(set(row) != set(COLUMNS) for row in rows):
        raise ValueError(f"its first row must be {','.join(COLUMNS)}, and each row has as many")
    if len(rows) > MOST_TURNS:
        raise ValueError(f"it has {len(rows)} turns, and {MOST_TURNS} can be had")
    return rows


def _read_row(row: Mapping[str, str], number: int, speakers: int, rate: int) -> Turn:
    try:
        words = [spell_shortly(row[name]) for name in COLUMNS]
        start, stop = (round(read_time(word) * rate) for word in words[:2])
        if words[2] not in map(str, range(1, speakers + 1)):
            raise ValueError(f"speaker is a number from 1 to {speakers}, not {words[2]}")
        if stop <= start:
            raise ValueError("it ends before it begins")
    except ValueError as error:
        raise ValueError(f"row {number}: {error}") from None
    return Turn(start, stop, int(words[2]) - 1)


def _require_order(turns: tuple[Turn, ...]) -> None:
    """Raise ValueError where turns overlap or come in another order than in the film."""
    for number, (one, other) in enumerate(pairwise(turns), 1):
        if other.start < one.start:
            raise ValueError(f"row {number + 1} must begin after row {number}")
        if other.start < one.stop:
            raise ValueError(f"row {number} goes on when row {number + 1} begins")
