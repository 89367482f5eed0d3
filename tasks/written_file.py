"""A small file that a person wrote: its text, its tables, without what a reader would have to guess."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from storage.printable import spell_unprintable

LARGEST_FILE = 1 << 20
"""Bytes."""
LONGEST_SHOWN = 60
"""Characters that are said of what is wrong."""


def read_text(path: Path, largest: int = LARGEST_FILE) -> str:
    """A small file's text, of at most so many bytes, its lines ended alike. Raises ValueError with what is the matter with it."""
    try:
        if not path.is_file():
            raise ValueError("there is no such file" if not path.exists() else "it is no file")
        if path.stat().st_size > largest:
            raise ValueError(f"it is larger than {largest} bytes")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_table(text: str) -> list[dict[str, str]]:
    """The rows of a CSV text by the names of its first row, blanks around a cell left out; what a short row lacks is missing. Raises ValueError."""
    return [row for _, row in number_rows(text)]


def number_rows(text: str) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV text, as `read_table` has them, each with the line of the file that it begins in, counted from 1. Raises ValueError."""
    found: list[tuple[int, list[str]]] = []
    lines, first = csv.reader(io.StringIO(text), strict=True, skipinitialspace=True), 1
    try:
        for row in lines:
            if row:
                found.append((first, [cell.strip() for cell in row]))
            first = lines.line_num + 1
    except csv.Error as error:
        raise ValueError(f"it is no CSV: {error}") from None
    names = found.pop(0)[1] if found else []
    if len(names) == 1 and (other := re.search("[;\t]", names[0])):
        raise ValueError(f"its columns are parted by {other[0]!r}, and commas are needed")
    require_once(names)
    if longer := [line for line, row in found if len(row) > len(names)]:
        words = f"a row has more columns than the first one (line {longer[0]})"
        raise ValueError(f'{words}: a comma in a cell wants "…"')
    return [(line, dict(zip(names, row, strict=False))) for line, row in found]


def require_once(names: Iterable[str]) -> None:
    """Raise ValueError where a name stands twice: which of the two is meant cannot be known."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{spell_shortly(twice[0])} is there twice")


def spell_shortly(value: object) -> str:
    """What a file has, as one short line."""
    return spell_unprintable(str(value))[:LONGEST_SHOWN]
