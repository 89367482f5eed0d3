"""What may stand in a file that somebody else may have written: JSON with bounds, and checks for its fields."""

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

from storage.run_paths import read_plain

Check = Callable[[object], None]
"""Raises Unfit with what is needed."""

DEPTH = 16
SHOWN = 60


class Unfit(ValueError):  # noqa: N818 - as in storage/errors.py
    """A value that cannot stand where it stands; in words, to be read after the name of the field."""


def _refuse_constant(word: str) -> NoReturn:
    raise Unfit(f"{word} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def read_json(path: Path, most: int) -> Any:
    """What a JSON file of at most so many bytes holds. Raises OSError; Unfit where it is none."""
    return parse_json(read_plain(path, most))


def parse_json(data: bytes) -> Any:
    """JSON text as values; raises Unfit, also where lists and tables stand in each other deeper than DEPTH."""
    try:
        found = _DECODER.decode(data.decode())
    except (ValueError, RecursionError) as error:
        raise Unfit("it is no JSON") from error
    level = [found]
    for _ in range(DEPTH):
        level = [inner for each in level for inner in _contained_values(each)]
        if not level:
            return found
    raise Unfit("it is nested too deep")


def _contained_values(value: object) -> Collection[object]:
    """The lists and tables directly in a list or a table; none in anything else."""
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in values if isinstance(each, dict | list)]


def check_value(name: str, value: object, check: Check) -> None:
    """Raise Unfit, with the name and the value, unless it fits."""
    try:
        check(value)
    except Unfit as reason:
        raise Unfit(f"{name}{_value_in_words(value)}{reason}") from None


def _value_in_words(value: object) -> str:
    """`is 7: `; of what has parts, nothing: its part is named."""
    if isinstance(value, dict | list):
        return ": "
    words = repr(value)
    return f" is {words if len(words) <= SHOWN else words[:SHOWN] + '…'}: "


def whole_number(least: int, most: int) -> Check:
    """A check for a whole number in these bounds."""

    def check(value: object) -> None:
        if type(value) is not int:  # a bool is an int, too
            raise Unfit("a whole number is needed")
        _check_bounds(value, least, most)

    return check


def any_number(least: float, most: float) -> Check:
    """A check for a number in these bounds."""

    def check(value: object) -> None:
        if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
            raise Unfit("a number is needed")
        _check_bounds(value, least, most)  # type: ignore[arg-type]

    return check


def _check_bounds(value: float, least: float, most: float) -> None:
    if value < least:
        raise Unfit(f"{least} or more is needed")
    if value > most:
        raise Unfit(f"at most {most}")


def text_matching(longest: int, pattern: str = "") -> Check:
    """A check for text that can be written as UTF-8, and fits the pattern from end to end where one is given."""
    wanted = re.compile(pattern, re.DOTALL) if pattern else None

    def check(value: object) -> None:
        if not isinstance(value, str):
            raise Unfit("text is needed")
        if len(value) > longest:
            raise Unfit(f"at most {longest} characters")
        if not is_utf8(value):
            raise Unfit("it is no UTF-8 text")
        if wanted is not None and not wanted.fullmatch(value):
            raise Unfit(f"text like {pattern} is needed")

    return check


def is_utf8(words: str) -> bool:
    """False for a name or a prompt whose bytes were no UTF-8 (Python stands surrogates in for them)."""
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True


def one_of(*values: object) -> Check:
    """A check for one of these values."""

    def check(value: object) -> None:
        # By type as well: True equals 1.
        if not any(type(value) is type(each) and value == each for each in values):
            raise Unfit(f"one of {', '.join(map(str, values))} is needed")

    return check


def either_of(*checks: Check) -> Check:
    """A check for what fits one of these checks; what the last says, where it fits none."""

    def check(value: object) -> None:
        for each in checks[:-1]:
            try:
                return each(value)
            except Unfit:
                continue
        return checks[-1](value)

    return check


def list_of(each: Check, most: int) -> Check:
    """A check for a list of at most `most` items that fit `each`."""

    def check(value: object) -> None:
        if not isinstance(value, list | tuple):
            raise Unfit("a list is needed")
        if len(value) > most:
            raise Unfit(f"at most {most} entries")
        for number, item in enumerate(value):
            check_value(f"entry {number}", item, each)

    return check


def table_of(each: Check, most: int, **named: Check) -> Check:
    """A check for a table of at most `most` values that fit `each`; the named ones have checks of their own."""

    def check(value: object) -> None:
        if not isinstance(value, dict):
            raise Unfit("a table is needed")
        if len(value) > most:
            raise Unfit(f"at most {most} entries")
        for name, item in value.items():
            check_value(name, item, named.get(name, each))

    return check


def table_with(needed: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """A check for a table that has all that is needed; a key without a check is left alone."""
    known = {**needed, **(optional or {})}

    def check(value: object) -> None:
        if not isinstance(value, dict):
            raise Unfit("a table is needed")
        for name in needed:
            if name not in value:
                raise Unfit(f"{name} is missing")
        for name, item in value.items():
            if name in known:
                check_value(name, item, known[name])

    return check


_checks: dict[Any, Mapping[str, Check]] = {}


def checks_of(kind: Any) -> Mapping[str, Check]:
    """The check of each field of a dataclass, where it is `Annotated[type, check]`."""
    if kind not in _checks:
        hints = get_type_hints(kind, include_extras=True).items()
        _checks[kind] = {
            name: hint.__metadata__[0] for name, hint in hints if hasattr(hint, "__metadata__")
        }
    return _checks[kind]
