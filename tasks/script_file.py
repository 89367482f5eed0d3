"""A script as a person writes it: a file of entries, each with a time and a prompt, as TOML, JSON, CSV or SRT."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from storage.errors import BadOption
from storage.printable import spell_unprintable
from storage.schema import Unfit, parse_json
from tasks.timeline import read_time
from tasks.written_file import read_table, read_text, spell_shortly

MOST_ENTRIES = 1000
LONGEST_PROMPT = 2000
"""Characters of the prompt of one entry."""
MOST_BLOCKS, MOST_STRENGTH = 100, 2
"""Of a fade; of expressions and gestures."""
LARGEST_SEED = 10**18 - 1
KEYS = ("from", "until", "prompt", "expression", "gesture", "fade", "seed")
_ENTRIES, _FADE = "entry", "fade"
"""Keys of a TOML or JSON file: its list of entries, and the fade of those that say none."""
_ARROW = re.compile(r"\s*(\S+)\s+-->\s+(\S+)\s*")

_TIMES_INSIDE = re.compile(r"[\d.,]\s*-->\s*\d")


@dataclass(frozen=True)
class ScriptEntry:
    """One entry: a prompt and when it holds."""

    start: Fraction
    """Seconds from the film's beginning."""
    until: Fraction | None
    """None: until the next entry, or the end."""
    prompt: str
    """One line."""
    expression: int = 100
    gesture: int = 100
    """Per cent of what the prompt asks for."""
    fade: int | None = None
    """Blocks; None: as usual."""
    seed: int | None = None
    """None: the film's own."""


def read_script(path: Path) -> list[ScriptEntry]:
    """The entries of a script's file, in their order. Raises BadOption, which names the entry."""
    try:
        entries = _read_entries(path)
        if not entries:
            raise ValueError("it has no entry")
        if len(entries) > MOST_ENTRIES:
            raise ValueError(f"it has {len(entries)} entries, and {MOST_ENTRIES} can be had")
        read = list(_build_entries(entries))
        _require_order(read)
    except ValueError as error:
        raise BadOption("--script", path, str(error)) from None
    return read


def _read_entries(path: Path) -> list[Mapping[str, Any]]:
    """Each entry as a table. Raises ValueError."""
    readers: dict[str, Callable[[str], list[Mapping[str, Any]]]]
    readers = {".toml": _read_toml, ".json": _read_json, ".csv": _read_csv, ".srt": _read_srt}
    if (read := readers.get(path.suffix.lower())) is None:
        raise ValueError(f"its name must end with {', '.join(readers)}, which says how it is read")
    return read(read_text(path))


def _read_toml(text: str) -> list[Mapping[str, Any]]:
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"it is no TOML: {error}") from None
    except ValueError:  # of a number of some thousand digits, in words for programmers
        raise ValueError("it is no TOML: a number in it is too long") from None
    return _list_entries(found)


def _read_json(text: str) -> list[Mapping[str, Any]]:
    try:
        found = parse_json(text.encode(), each_once=True)
    except Unfit as error:
        raise ValueError(str(error)) from None
    return _list_entries({_ENTRIES: found} if isinstance(found, list) else found)


def _list_entries(found: Any) -> list[Mapping[str, Any]]:
    """The entries of a table, with the fade that it says for all. Raises ValueError."""
    if not isinstance(found, dict):
        raise ValueError("a list of entries is needed")
    _require_known(found, (_ENTRIES, _FADE))
    entries = found.get(_ENTRIES, [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise ValueError(f"{_ENTRIES} is no list of tables: [[{_ENTRIES}]] in TOML")
    usual = {_FADE: found[_FADE]} if _FADE in found else {}
    return [usual | each for each in entries]


def _read_csv(text: str) -> list[Mapping[str, Any]]:
    # An empty cell says nothing, but for a prompt, which then asks for nothing.
    told = ("prompt", "from")
    rows = read_table(text)
    return [{key: word for key, word in row.items() if word or key in told} for row in rows]


def _read_srt(text: str) -> list[Mapping[str, Any]]:
    found = []
    blocks = re.split(r"\n\s*\n", text.strip()) if text.strip() else []
    for n, block in enumerate(blocks, 1):
        with _naming(n):
            found.append(_read_subtitle(block.splitlines()))
    return found


def _read_subtitle(lines: list[str]) -> Mapping[str, Any]:
    rest = lines[1:] if lines and lines[0].strip().isdecimal() else lines
    times = _ARROW.fullmatch(rest[0].replace(",", ".")) if rest else None
    if times is None:
        raise ValueError("a line such as 00:00:01,000 --> 00:00:04,000 is needed")
    if any(_TIMES_INSIDE.search(line) for line in rest[1:]):
        raise ValueError("another one's times stand in it: an empty line is needed between two")
    return {"from": times[1], "until": times[2], "prompt": " ".join(rest[1:])}


@contextmanager
def _naming(number: int) -> Iterator[None]:
    """Put the number of an entry before what is the matter with it (ValueError)."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"entry {number}: {error}") from None


def _build_entries(entries: list[Mapping[str, Any]]) -> Iterator[ScriptEntry]:
    for n, facts in enumerate(entries, 1):
        with _naming(n):
            yield _build_entry(facts)


def _build_entry(facts: Mapping[str, Any]) -> ScriptEntry:
    _require_known(facts, KEYS)
    if missing := [key for key in ("from", "prompt") if key not in facts]:
        raise ValueError(f"{missing[0]} is missing")
    return ScriptEntry(
        start=_read_clock(facts["from"]),
        until=_read_clock(facts["until"]) if "until" in facts else None,
        prompt=_read_prompt(facts["prompt"]),
        expression=_read_strength(facts, "expression"),
        gesture=_read_strength(facts, "gesture"),
        fade=_read_fade(facts),
        seed=_read_seed(facts),
    )


def _require_known(facts: Mapping[str, Any], known: tuple[str, ...]) -> None:
    if unknown := [spell_shortly(key) for key in facts if key not in known]:
        raise ValueError(f"{unknown[0]} is not known; {', '.join(known)} are")


def _read_clock(value: object) -> Fraction:
    """A time in the film; TOML has a kind of its own for those with hours."""
    return read_time(spell_shortly(value))


def _read_prompt(value: object) -> str:
    """A prompt as one line."""
    if not isinstance(value, str):
        raise ValueError("prompt is no text")
    prompt = " ".join(value.split())
    if len(prompt) > LONGEST_PROMPT or spell_unprintable(prompt) != prompt:
        raise ValueError(f"prompt is no plain text of at most {LONGEST_PROMPT} characters")
    return prompt


def _read_strength(facts: Mapping[str, Any], key: str) -> int:
    """A strength in per cent, 1 being what the prompt asks for."""
    return round(100 * _read_number(facts, key, 1, MOST_STRENGTH))


def _read_fade(facts: Mapping[str, Any]) -> int | None:
    if _FADE not in facts:
        return None
    fade = _read_number(facts, _FADE, 0, MOST_BLOCKS)
    if not fade.is_integer():
        raise ValueError(f"{_FADE} is a whole number of blocks")
    return int(fade)


def _read_seed(facts: Mapping[str, Any]) -> int | None:
    """A seed, which CSV has as text."""
    if "seed" not in facts:
        return None
    value = facts["seed"]
    word = "" if isinstance(value, bool) else str(value)
    if not (word.isascii() and word.isdecimal() and int(word[:20]) <= LARGEST_SEED):
        raise ValueError(f"seed is a whole number from 0 to {LARGEST_SEED}, not {spell_shortly(value)}")  # fmt: skip
    return int(word)


def _read_number(facts: Mapping[str, Any], key: str, usual: int, most: int) -> float:
    """A number from 0 to `most`, which CSV has as text."""
    value = facts.get(key, usual)
    try:
        # No fraction: that of 1e-999999999 would never be done.
        strange = isinstance(value, bool) or "_" in str(value)
        number = -1.0 if strange else float(str(value))
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:  # nan is not, either
        raise ValueError(f"{key} is a number from 0 to {most}, not {spell_shortly(value)}")
    return number


def _require_order(entries: list[ScriptEntry]) -> None:
    """Raise ValueError where entries overlap or come in another order than in the film."""
    for n, each in enumerate(entries, 1):
        if each.until is not None and each.until <= each.start:
            raise ValueError(f"entry {n} ends before it begins")
    for n, (one, other) in enumerate(pairwise(entries), 1):
        if other.start <= one.start:
            raise ValueError(f"entry {n + 1} must begin after entry {n}")
        if one.until is not None and one.until > other.start:
            raise ValueError(f"entry {n} goes on when entry {n + 1} begins")
