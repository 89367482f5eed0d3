"""The one way from what a verb found to JSON for machines: always valid, whatever the run's files hold."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from pathlib import PurePath
from typing import Any


def to_json(value: object, *, indent: int | None = 2) -> str:
    """JSON text of a value that `plain` can take apart; ASCII, without NaN and infinity, which JSON has no words for."""
    return json.dumps(plain(value), indent=indent, allow_nan=False)


def plain(value: Any) -> Any:
    """The same of dicts, lists, words, numbers and None alone: a dataclass as the dict of its fields, a range as its numbers, a path as text.

    What is no finite number is None.
    """
    if isinstance(value, float | Fraction):
        value = float(value) if math.isfinite(value) else None
    elif is_dataclass(value) and not isinstance(value, type):
        value = {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    elif isinstance(value, Mapping):
        value = {str(name): plain(each) for name, each in value.items()}
    elif isinstance(value, PurePath):
        value = str(value)
    elif hasattr(value, "tolist"):  # numpy's numbers and arrays
        value = plain(value.tolist())
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        value = [plain(each) for each in value]
    return value
