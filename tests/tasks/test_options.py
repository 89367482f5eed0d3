"""The one table of options, and all that comes from it."""

from dataclasses import fields

import pytest

from storage.errors import BadOption, BadSize
from storage.schema import checks_of
from storage.spec import Settings, Spec
from tasks.options import (
    OPTIONS,
    SWITCH,
    read_bytes,
    read_label_seconds,
    read_number,
    read_size,
    read_spacing,
    read_whole,
)
from tasks.request import Request

RUN_JSON = {**checks_of(Spec), **checks_of(Settings)}
FROZEN_AS = {
    "infer_frames": "clip_frames",
    "sample_steps": "steps",
    "script": "what its file says",
    "turns": "what its file says",
}
"""Fields of the spec that are asked for by another name, or are no path as the option is."""
ASKED = {each.name: each for each in OPTIONS.values() if not each.cli_only}


def test_every_door_has_every_option() -> None:
    """Request has a field and LongVideo a parameter for each, and for nothing else; run.json keeps no setting that cannot be asked for."""
    from tasks.long_video import LongVideo

    own = {"sources", "asked_size"}
    filled = {name for each in ASKED.values() for name in each.fields}
    assert {each.name for each in fields(Request)} - own == filled
    assert {name for name, _ in LongVideo.get_params()} == ASKED.keys()
    assert {each.name for each in fields(Settings)} - own < ASKED.keys()


def test_what_decides_pixels_is_frozen() -> None:
    """A setting that is also said to decide pixels is frozen by what it stands for: the hash of the weights, the size."""
    settings = {each.name for each in fields(Settings)}
    deciding = {name for name, each in ASKED.items() if each.decides == "pixels"}
    assert settings & deciding == {"weights", "lora", "on_low_memory"}
    assert {each.name for each in fields(Spec)} & ASKED.keys() <= deciding


@pytest.mark.parametrize("option", ASKED.values(), ids=ASKED.keys())
def test_a_value_that_is_taken_can_be_kept(option) -> None:
    """A number has bounds, and run.json, which has bounds of its own for what a stranger wrote, takes what lies within; so it does every word, and the longest text. Help is one sentence."""
    numbers = {read_whole, read_number, read_spacing, read_bytes, read_label_seconds}
    assert (option.kind.read in numbers) == (option.bounds is not None)
    assert option.help.endswith(".")
    assert ". " not in option.help
    for value in (
        *(option.bounds or ()),
        *option.words,
        *([True] if option.kind is SWITCH else []),
        *(["x" * option.longest] if option.longest else []),
    ):
        option.check(value)
        if (check := RUN_JSON.get(FROZEN_AS.get(option.name, option.name))) is not None:
            check(value)


def test_words_are_read_as_they_are_meant() -> None:
    """GB = 1e9; 704*384, 704x384 and 704×384 are one size; `auto` is a spacing; what is none says what is needed."""
    assert [read_bytes(word) for word in ("20GB", "1.5 mb", "4096")] == [
        20 * 10**9,
        1_500_000,
        4096,
    ]
    assert {read_size(word) for word in ("704*384", "704x384", "704×384")} == {(704, 384)}
    assert OPTIONS["carry_every"].read("auto") == -1
    assert OPTIONS["guidance"].read("4.50") == "4.5"
    for name, word, needed in (
        ("disk_budget", "some", "20GB"),
        ("keep_frames", "-1", "a number of clips"),
        ("device", "tpu", "one of auto, cpu, cuda"),
        ("prompt", "\udcff", "no UTF-8"),
        ("run", "x" * 4097, "at most 4096"),
    ):
        with pytest.raises(ValueError, match=needed):
            OPTIONS[name].read(word)
    with pytest.raises(BadSize, match="such as 256"):
        read_size("704")
    with pytest.raises(BadOption, match=r"--ahead 1001 .* from 0 to 1000"):
        Request.from_words({"image": "a", "audio": "b", "ahead": "1001"}, "luigi")
