"""Flags as forms and web requests give them, name and text, turned into words of the command line."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from model.weights.checkpoint import HUB_NAME
from pipeline.options.flag import Flag
from pipeline.options.flags import FLAGS
from storage.errors import BadOption
from storage.schema import is_utf8
from storage.spec import Settings

OWN = {
    "image",
    "audio",
    "run",
    "output_dir",
    "output_file",
    "overwrite",
    "title",
    "script",
    "pose_video",
    "speaker",
    "turns",
}
"""Options of which a job has its own: where things lie, and what the film is called; and those that name a file, which nobody does from elsewhere."""
JOB_FLAGS = {
    flag.name: flag for flag in FLAGS if flag.option is None or flag.option.name not in OWN
}
"""Those of `longtake new` that a job may have, by name; published ones that do nothing, too."""
FORM_FLAGS = {name: flag for name, flag in JOB_FLAGS.items() if flag.option}
"""Those of them that do something."""
_SETTABLE = {each.name for each in fields(Settings)} - OWN
RETAKE_FLAGS = {
    name: each for name, each in FORM_FLAGS.items() if _SETTABLE.issuperset(each.fields)
}
"""Those that a retake may have."""
RETAKE_OWN = {"seed": False, "redecode": True, "hard-join": True, "accept-joint": True}
"""A retake's own flags; True of those that take no word."""
REDUB_OWN = {"from": False, "until": False, "seed": False}
REDUB_OWN |= {"hard-join": True, "accept-joint": True, "accept-short-audio": True}
"""The same of a redub."""
LONGEST = 20_000
"""Characters of a value."""
_YES, _NO = {"yes", "true", "1", "on", ""}, {"no", "false", "0", "off"}


def words_of_job(flags: Mapping[str, str]) -> list[str]:
    """The words of `longtake new` for these flags; raises BadOption. The live film is on unless they say `live`: `no`."""
    named = _by_name(flags)
    known = {name: flag.constant is not None for name, flag in JOB_FLAGS.items()}
    words = list(_words_of(named, known))
    return words if "live" in named else [*words, "--live"]


def words_of_retake(flags: Mapping[str, str]) -> list[str]:
    """The words of `longtake retake` for these flags; raises BadOption."""
    known = {name: flag.constant is not None for name, flag in RETAKE_FLAGS.items()}
    return list(_words_of(_by_name(flags), {**known, **RETAKE_OWN}))


def words_of_redub(flags: Mapping[str, str]) -> list[str]:
    """The words of `longtake redub` for these flags, beside the run and the sound; raises BadOption."""
    known = {name: flag.constant is not None for name, flag in RETAKE_FLAGS.items()}
    return list(_words_of(_by_name(flags), {**known, **REDUB_OWN}))


def check_weights(flags: Mapping[str, str], places: tuple[Path, ...]) -> None:
    """Raise BadOption where a flag names weights that lie in none of these folders; a name of the hub stands for what the machine has of it."""
    for name, value in _by_name(flags).items():
        flag = JOB_FLAGS.get(name)
        if value and flag is not None and _names_weights(flag) and not _is_allowed(value, places):
            where = ", ".join(map(str, places))
            raise BadOption(f"--{name}", value, f"it lies in none of the folders {where}")


def _names_weights(flag: Flag) -> bool:
    return flag.place or bool({"weights", "lora"}.intersection(flag.fields))


def _is_allowed(value: str, places: tuple[Path, ...]) -> bool:
    path = Path(value).expanduser()
    if HUB_NAME.fullmatch(value) and not path.parent.exists():
        return True
    return any(path.resolve().is_relative_to(place.resolve()) for place in places)


def _by_name(flags: Mapping[str, str]) -> dict[str, str]:
    return {name.lstrip("-").replace("_", "-"): value for name, value in flags.items()}


def _words_of(flags: Mapping[str, str], known: Mapping[str, bool]) -> Iterator[str]:
    for name, value in flags.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            reason = f"did you mean {near[0]}?" if near else "a job has no such flag"
            raise BadOption(f"--{name}", _shorten(value), reason)
        if len(value) > LONGEST or "\0" in value or not is_utf8(value):
            reason = f"text of at most {LONGEST} characters is needed"
            raise BadOption(f"--{name}", _shorten(value), reason)
        if not known[name]:
            if value:
                yield f"--{name}={value}"
        elif value.lower() in _YES:
            yield f"--{name}"
        elif value.lower() not in _NO:
            raise BadOption(f"--{name}", _shorten(value), "yes or no is needed")


def _shorten(value: str) -> str:
    return value[:80].encode("ascii", "backslashreplace").decode()
