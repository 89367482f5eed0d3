"""Flags as text become the words that the command line takes, each of them."""

from pathlib import Path

import pytest

from pipeline.commands.parser import parse_command
from pipeline.jobs.flag_words import (
    FORM_FLAGS,
    RETAKE_FLAGS,
    check_weights,
    words_of_job,
    words_of_retake,
)
from pipeline.options.given_options import GivenOptions
from pipeline.options.sources import add_flags
from storage.errors import BadOption
from storage.run import Run

SAMPLES = {
    "size": "64*64",
    "crop": "top",
    "mouth": "1,2,3,4",
    "eyes": "1,2,3,4,5,6,7,8",
    "device": "cpu",
    "device-memory": "3GB",
    "disk-budget": "3GB",
    "on-low-memory": "refuse",
    "offload-model": "True",
    "gpus": "2",
    "parallel": "steps",
    "label-place": "top-left",
    "keep-frames": "all",
    "keep-steps": "all",
    "sample-guide-scale": "4.5",
}


def sample_of(name: str) -> str:
    """A value of a flag that is not its default."""
    flag = FORM_FLAGS[name]
    if flag.constant is not None:
        return "yes"
    assert flag.option is not None
    return SAMPLES.get(name, "7" if flag.option.bounds else "a word")


@pytest.mark.parametrize("name", FORM_FLAGS)
def test_every_flag_reaches_the_request(name: str):
    """A flag of the table, given as text, is in the request as its own word would be."""
    words = words_of_job({name.replace("-", "_"): sample_of(name), "live": "no"})
    given = GivenOptions()
    add_flags(given, parse_command(["new", "a.png", "b.wav", *words]).given)
    flag = FORM_FLAGS[name]
    if name == "live":
        return
    for field, value in flag.values(sample_of(name)).items():
        assert given.fields[field] == value


def test_flags_reach_run_json(longtake: object, face: Path, speech: Path, tmp_path: Path):
    """All flags that go together stand in run.json, each with the value that was asked."""
    assert callable(longtake)
    asked = {
        "prompt": "She smiles.", "size": "48*48", "crop": "top", "num-clip": "2",
        "infer-frames": "12", "sample-steps": "2", "base-seed": "5", "audio-lead": "1",
        "grow": "yes", "on-low-memory": "refuse", "ahead": "1", "retry-limit": "2",
        "retry-delay": "3", "stall-limit": "800", "keep-frames": "none", "keep-steps": "none",
        "disk-budget": "3GB", "carry-every": "2", "carry-anchors": "1", "offline": "yes",
    }  # fmt: skip
    words = words_of_job(asked)
    assert longtake("new", face, speech, "--run", tmp_path / "run", *words)[0] == 0
    run = Run.open(tmp_path / "run")
    fields = {**vars(run.spec), **vars(run.settings)}
    called = {"clips": "num_clip", "clip_frames": "infer_frames", "steps": "sample_steps"}
    called |= {"seed": "base_seed"}
    for field, value in list(fields.items()):
        fields[called.get(field, field)] = value
    for name, word in asked.items():
        for field, value in FORM_FLAGS[name].values("" if word == "yes" else word).items():
            assert fields[field] == value, name
    assert run.settings.live


def test_switches_are_said_in_words():
    """A flag without a word takes yes or no; the live film is on where nothing is said."""
    assert words_of_job({"grow": "no"}) == ["--live"]
    assert words_of_job({"grow": "yes", "live": "no"}) == ["--grow"]
    with pytest.raises(BadOption, match="yes or no"):
        words_of_job({"grow": "perhaps"})


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "x" * 30_000])
def test_what_is_no_text_is_refused(value: str):
    """What no process could be given is refused before there is one."""
    with pytest.raises(BadOption):
        words_of_job({"prompt": value})


@pytest.mark.parametrize(
    "name", ["run", "output-dir", "output-file", "image", "overwrite", "push", "events-to", "help"]
)
def test_places_are_not_for_a_request_to_say(name: str):
    """Where things lie, and where they are sent, is not asked of a request."""
    with pytest.raises(BadOption):
        words_of_job({name: "x"})
    with pytest.raises(BadOption):
        words_of_retake({name: "x"})


def test_weights_must_lie_in_a_known_folder(tmp_path: Path):
    """Weights are named below a known folder, by no way out of it; a name of the hub is none of the disk's."""
    check_weights({"weights": str(tmp_path / "ckpt"), "ckpt_dir": "Wan-AI/Wan2.2"}, (tmp_path,))
    for word in ("/etc", str(tmp_path / "../x"), "~"):
        with pytest.raises(BadOption, match="none of the folders"):
            check_weights({"weights": word}, (tmp_path,))


def test_retake_takes_settings_and_its_own():
    """A retake has its seed and settings; none of what decides pixels."""
    assert words_of_retake({"seed": "3", "redecode": "yes", "ahead": "1"}) == [
        "--seed=3",
        "--redecode",
        "--ahead=1",
    ]
    assert "prompt" not in RETAKE_FLAGS
