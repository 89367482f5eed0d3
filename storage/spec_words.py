"""A spec in words: a script in a few, and where two specs differ."""

import hashlib
from dataclasses import asdict
from typing import Any

from storage.errors import count_noun
from storage.speaker import Reading, describe_speakers, describe_turns
from storage.spec import Spec


def describe_script(script: str) -> str:
    """A spec's script in a few words, which differ where scripts do: `3 changes (4f0c21ab)`; empty of none."""
    digest = hashlib.sha256(script.encode()).hexdigest()
    return f"{count_noun(script.count(chr(10)), 'change')} ({digest[:8]})" if script else ""


def spell_spec(spec: Spec) -> dict[str, Any]:
    """The fields of a spec by name, those of several lines in a few words."""
    takes = ", ".join(map(str, spec.takes)) or "none"
    told = {"takes": takes, "script": describe_script(spec.script) or "none"}
    told["speakers"] = describe_speakers(spec.speakers) or "none"
    told["turns"] = describe_turns(spec.turns) or "none"
    return {**asdict(spec), **told}


def describe_spec_difference(there: Spec, asked: Spec) -> str:
    """Where two specs differ, in words: `seed is 1, not 2, prompt is empty, not Hello`."""
    one, other = spell_spec(there), spell_spec(asked)
    words = ", ".join(
        f"{name} is {_name_value(one[name])}, not {_name_value(other[name])}"
        for name in one
        if one[name] != other[name]
    )
    if there.reading == Reading() != asked.reading:
        words += " (it was begun by a version that read this sound otherwise, and `longtake resume` goes on so)"
    return words


def _name_value(value: object) -> object:
    return "empty" if value == "" else value
