"""The one way from what a verb found to JSON for machines: always valid, whatever the run's files hold."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from pathlib import PurePath
from typing import Any


def to_json(value: object, *, indent: int | None = 2) -> str:
    """JSON text of a value that `to_plain` can take apart; ASCII, without NaN and infinity, which JSON has no words for."""
    return json.dumps(to_plain(value), indent=indent, allow_nan=False)


def to_plain(value: Any) -> Any:
    """A value as dicts, lists, words, numbers and None alone: a dataclass as the dict of its fields, a range as its numbers, a path as text.

    What is no finite number is None.
    """
    if isinstance(value, float | Fraction):
        value = float(value) if math.isfinite(value) else None
    elif is_dataclass(value) and not isinstance(value, type):
        value = {each.name: to_plain(getattr(value, each.name)) for each in fields(value)}
    elif isinstance(value, Mapping):
        value = {str(name): to_plain(each) for name, each in value.items()}
    elif isinstance(value, PurePath):
        value = str(value)
    elif hasattr(value, "tolist"):  # numpy's numbers and arrays
        value = to_plain(value.tolist())
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        value = [to_plain(each) for each in value]
    return value
