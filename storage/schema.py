"""What may stand in a file that somebody else may have written: JSON with bounds, and checks for its fields."""

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NoReturn, get_type_hints

from storage.run_paths import read_plain

Check = Callable[[object], None]
"""Raises Unfit with what is needed."""

DEPTH = 16
SHOWN = 60


class Unfit(ValueError):  # noqa: N818 - as in storage/errors.py
    """A value that cannot stand where it stands; in words, to be read after the name of the field."""


def _refuse_constant(word: str) -> NoReturn:
    raise Unfit(f"{word} is no number")


def _require_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise Unfit("a key is there twice")
    return found


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_STRICT_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_require_once)


def read_json(path: Path, most: int) -> Any:
    """What a JSON file of at most so many bytes holds. Raises OSError; Unfit where it is none."""
    return parse_json(read_plain(path, most))


def parse_json(data: bytes, *, each_once: bool = False) -> Any:
    """JSON text as values; raises Unfit, also where lists and tables stand in each other deeper than DEPTH, and if asked where a key is there twice."""
    try:
        found = (_STRICT_DECODER if each_once else _DECODER).decode(data.decode())
    except Unfit:
        raise
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


@dataclass(frozen=True)
class Number:
    """A number in these bounds."""

    least: float
    most: float
    kinds: ClassVar[tuple[type, ...]] = (int, float)
    needed: ClassVar[str] = "a number is needed"

    def __call__(self, value: object) -> None:
        """Raise Unfit unless it fits."""
        if type(value) not in self.kinds or (isinstance(value, float) and not math.isfinite(value)):
            raise Unfit(self.needed)
        if value < self.least:  # type: ignore[operator]
            raise Unfit(f"{self.least} or more is needed")
        if value > self.most:  # type: ignore[operator]
            raise Unfit(f"at most {self.most}")


@dataclass(frozen=True)
class Whole(Number):
    """A whole number in these bounds."""

    kinds = (int,)  # a bool is an int, too, by isinstance
    needed = "a whole number is needed"


@dataclass(frozen=True)
class Text:
    """Text that can be written as UTF-8, and fits the pattern from end to end where one is given."""

    longest: int
    """Characters."""
    pattern: str = ""

    def __call__(self, value: object) -> None:
        """Raise Unfit unless it fits."""
        if not isinstance(value, str):
            raise Unfit("text is needed")
        if len(value) > self.longest:
            raise Unfit(f"at most {self.longest} characters")
        if not is_utf8(value):
            raise Unfit("it is no UTF-8 text")
        if self.pattern and not re.fullmatch(self.pattern, value, re.DOTALL):
            raise Unfit(f"text like {self.pattern} is needed")


def is_utf8(words: str) -> bool:
    """False for a name or a prompt whose bytes were no UTF-8 (Python stands surrogates in for them)."""
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True)
class OneOf:
    """One of these values."""

    values: tuple[object, ...]

    def __call__(self, value: object) -> None:
        """Raise Unfit unless it is one of them, by type as well: True equals 1."""
        if not any(type(value) is type(each) and value == each for each in self.values):
            raise Unfit(f"one of {', '.join(map(str, self.values))} is needed")


NONE = OneOf((None,))


@dataclass(frozen=True)
class EitherOf:
    """What fits one of these checks."""

    checks: tuple[Check, ...]

    def __call__(self, value: object) -> None:
        """Raise Unfit, with what the last one says, unless one fits."""
        for each in self.checks[:-1]:
            try:
                return each(value)
            except Unfit:
                continue
        return self.checks[-1](value)


@dataclass(frozen=True)
class ListOf:
    """A list of at most `most` items that fit `each`."""

    each: Check
    most: int

    def __call__(self, value: object) -> None:
        """Raise Unfit, with the number of the item, unless all fit."""
        if not isinstance(value, list | tuple):
            raise Unfit("a list is needed")
        if len(value) > self.most:
            raise Unfit(f"at most {self.most} entries")
        for number, item in enumerate(value):
            check_value(f"entry {number}", item, self.each)


@dataclass(frozen=True)
class TableOf:
    """A table of at most `most` values that fit `each`; the named ones have checks of their own."""

    each: Check
    most: int
    named: Mapping[str, Check] = field(default_factory=dict)

    def __call__(self, value: object) -> None:
        """Raise Unfit, with the name of the value, unless all fit."""
        if not isinstance(value, dict):
            raise Unfit("a table is needed")
        if len(value) > self.most:
            raise Unfit(f"at most {self.most} entries")
        for name, item in value.items():
            check_value(name, item, self.named.get(name, self.each))


@dataclass(frozen=True)
class TableWith:
    """A table that has all that is needed; a key without a check is left alone."""

    needed: Mapping[str, Check]
    optional: Mapping[str, Check] = field(default_factory=dict)

    def __call__(self, value: object) -> None:
        """Raise Unfit, with the name of the key, unless all fit."""
        if not isinstance(value, dict):
            raise Unfit("a table is needed")
        for name in self.needed:
            if name not in value:
                raise Unfit(f"{name} is missing")
        for name, item in value.items():
            if (check := self.needed.get(name) or self.optional.get(name)) is not None:
                check_value(name, item, check)


_checks: dict[Any, Mapping[str, Check]] = {}


def checks_of(kind: Any) -> Mapping[str, Check]:
    """The check of each field of a dataclass, all of which are `Annotated[type, check]`; raises TypeError where one is not."""
    if kind not in _checks:
        hints = get_type_hints(kind, include_extras=True)
        # Without its check a field would be passed over where run.json is read, and nobody would say so.
        if bare := [name for name, hint in hints.items() if not hasattr(hint, "__metadata__")]:
            raise TypeError(f"{kind.__name__}.{bare[0]} needs Annotated[type, check]")
        _checks[kind] = {name: hint.__metadata__[0] for name, hint in hints.items()}
    return _checks[kind]
