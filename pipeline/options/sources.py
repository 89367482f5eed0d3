"""What is asked for and where it was said: flag over environment over longtake.toml; the rest is default."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.options.area import fit_area, read_picture_size
from pipeline.options.config_file import CONFIG_FILE, read_toml
from pipeline.options.flag import Flag
from pipeline.options.flags import FLAGS
from pipeline.options.given_options import GivenOptions
from pipeline.options.model_support import drop_unsupported, require_place
from pipeline.push.address import PUSH
from pipeline.sinks.address import KEY
from storage.errors import BadInput, BadOption, Refused
from tasks.speaker_words import read_speaker

if TYPE_CHECKING:
    from tasks.request import Request

VARIABLE_PREFIX = "LONGTAKE_"
NO_FLAGS = {
    "C2PA_CERT",
    "C2PA_KEY",
    "CARDS",
    "EVENTS_TO",
    "HEART",
    "LEASE_TTL",
    "LOCKS",
    "PARENT",
    "PUSH",
    "PUSH_TOKEN",
    "RANK_LIMIT",
    "STORE_CACHE",
    "TASK_TIMES",
    "WEB_PASSWORD",
    "WEB_TOKEN",
}
"""Variables of ours, without their beginning, that stand for no flag of all films."""
_SETTABLE = {flag.name: flag for flag in FLAGS if flag.option and not flag.option.one_film}
"""One film's own words are none: a picture set for all films by accident would be worse than one more flag to type."""


def make_request(given: GivenOptions) -> "Request":
    """What the tasks are asked for; raises BadInput, BadOption."""
    from tasks.request import Request

    _take_first_sound(given)
    for name, what in (("image", "picture"), ("audio", "sound")):
        if name not in given.fields:
            raise BadInput(f"No {what} was given. For example: longtake new face.png speech.wav")
    drop_unsupported(given)
    _fill_area(given)
    return Request(**given.fields, sources=given.sources)  # type: ignore[arg-type]


def _take_first_sound(given: GivenOptions) -> None:
    """The first speaker's sound, where several have one each, is the one that the film is called by."""
    speakers: Any = given.fields.get("speaker", ())
    if "audio" not in given.fields and speakers and (sound := read_speaker(speakers[0]).sound):
        given.add({"audio": sound}, given.sources["speaker"])


def _fill_area(given: GivenOptions) -> None:
    """Width and height in the picture's shape, where --size is to be read as an area."""
    came = given.sources.pop("size_as_area", "")
    if not given.fields.pop("size_as_area", False):
        return
    if "width" not in given.fields:
        raise BadOption("--size-as-area", "alone", "--size W*H says which area")
    area = int(str(given.fields["width"])) * int(str(given.fields["height"]))
    if (seen := read_picture_size(Path(str(given.fields["image"])))) is not None:
        given.fields["width"], given.fields["height"] = fit_area(*seen, area)
        given.sources["width"] = given.sources["height"] = f"--size, {came}"


def gather_options(
    given: Iterable[tuple[Flag, str]], environment: Mapping[str, str], folder: Path
) -> GivenOptions:
    """All that was said, the strongest first; raises BadOption, Refused."""
    options = GivenOptions()
    add_flags(options, given)
    add_environment(options, environment)
    add_config(options, folder)
    return options


def add_flags(options: GivenOptions, given: Iterable[tuple[Flag, str]]) -> None:
    """Flags in their order; the last of several equals wins, two that contradict each other are refused."""
    idle: dict[tuple[bool, str], list[str]] = {}
    said: dict[str, Flag] = {}
    for flag, word in given:
        if not flag.fields:
            if flag.place:
                require_place(flag.spelling, word)
            costs = flag.costs and word not in flag.free
            idle.setdefault((costs, flag.why_idle(word)), []).append(flag.spelling)
        for name, value in flag.values(word).items():
            before = said.setdefault(name, flag)
            if before != flag and options.fields[name] != value:
                raise BadOption(flag.spelling, word, f"{before.spelling} says otherwise")
            said_so_far: Any = options.fields.get(name, ()) if flag.repeats else None
            whole = (*said_so_far, *value) if isinstance(value, tuple) else value
            options.fields[name], options.sources[name] = whole, flag.spelling
    _refuse_two_voices(options)
    for (costs, reason), names in idle.items():
        does = "does" if len(names) == 1 else "do"
        line = f"{', '.join(dict.fromkeys(names))} {does} nothing here: {reason}"
        (options.costly if costs else options.notices).append(line)


def _refuse_two_voices(options: GivenOptions) -> None:
    audio = str(options.fields.get("audio", ""))
    if "+" in audio and not Path(audio).exists():
        raise Refused(
            f"--audio {audio}", "two sounds are two people: give each as --speaker SOUND@PLACE"
        )


def add_environment(options: GivenOptions, environment: Mapping[str, str]) -> None:
    """LONGTAKE_AHEAD=3 stands for --ahead 3; a near miss is named, another variable is none of ours."""
    for variable in sorted(name for name in environment if name.startswith(VARIABLE_PREFIX)):
        ours = variable.removeprefix(VARIABLE_PREFIX)
        name = ours.lower().replace("_", "-")
        if ours in NO_FLAGS:
            continue
        if name in _SETTABLE:
            options.add(_read_values(_SETTABLE[name], environment[variable], variable), variable)
        elif near := difflib.get_close_matches(name, _SETTABLE, 1):
            meant = VARIABLE_PREFIX + near[0].upper().replace("-", "_")
            options.notices.append(f"{variable} is not known; {meant} is")


def add_config(options: GivenOptions, folder: Path) -> None:
    """`ahead = 3` in longtake.toml of the working directory stands for --ahead 3."""
    path = folder / CONFIG_FILE
    if path.is_file():
        for key, value in read_toml(path).items():
            name = key.replace("_", "-")
            if key in {
                KEY,
                PUSH.key,
            }:  # not of the film: pipeline/sinks and pipeline/push read them
                continue
            if name not in _SETTABLE:
                near = difflib.get_close_matches(name, _SETTABLE, 1)
                raise BadOption(
                    f"{CONFIG_FILE}: {key}",
                    value,
                    f"did you mean {near[0]}?" if near else "no such option",
                )
            options.add(
                _read_values(_SETTABLE[name], str(value), f"{CONFIG_FILE}: {key}"), CONFIG_FILE
            )


def _read_values(flag: Flag, word: str, place: str) -> Mapping[str, object]:
    if flag.constant is None:
        try:
            return flag.values(word)
        except BadOption as error:
            raise BadOption(place, word, error.args[2]) from None
    if word.lower() in {"1", "true", "yes", "on"}:
        return flag.values("")
    if word.lower() in {"0", "false", "no", "off", ""}:
        # What is no switch (--fp8) is then not asked for.
        other = not flag.constant if isinstance(flag.constant, bool) else None
        return dict.fromkeys(flag.fields, other)
    raise BadOption(place, word, "1 or 0 is needed")
