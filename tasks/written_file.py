"""A small file that a person wrote: its text, its tables, without what a reader would have to guess."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from storage.printable import spell_unprintable

LARGEST_FILE = 1 << 20
"""Bytes."""
LONGEST_SHOWN = 60
"""Characters that are said of what is wrong."""


def read_text(path: Path) -> str:
    """A small file's text, its lines ended alike. Raises ValueError with what is the matter with it."""
    try:
        if not path.is_file():
            raise ValueError("there is no such file" if not path.exists() else "it is no file")
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"it is larger than {LARGEST_FILE} bytes")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_table(text: str) -> list[dict[str, str]]:
    """The rows of a CSV text by the names of its first row, blanks around a cell left out; what a short row lacks is missing. Raises ValueError."""
    try:
        lines = csv.reader(io.StringIO(text), strict=True, skipinitialspace=True)
        names, *rows = [[cell.strip() for cell in row] for row in lines if row] or [[]]
    except csv.Error as error:
        raise ValueError(f"it is no CSV: {error}") from None
    require_once(names)
    if any(len(row) > len(names) for row in rows):
        raise ValueError('a row has more columns than the first one: a comma in a cell wants "…"')
    return [dict(zip(names, row, strict=False)) for row in rows]


def require_once(names: Iterable[str]) -> None:
    """Raise ValueError where a name stands twice: which of the two is meant cannot be known."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{spell_shortly(twice[0])} is there twice")


def spell_shortly(value: object) -> str:
    """What a file has, as one short line."""
    return spell_unprintable(str(value))[:LONGEST_SHOWN]
