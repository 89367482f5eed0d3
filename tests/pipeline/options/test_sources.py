"""Where a setting comes from: flag over environment over longtake.toml over default."""

import re
from pathlib import Path

import pytest

from pipeline.commands.parser import parse_command
from pipeline.options.flags import FLAGS
from pipeline.options.sources import NO_FLAGS, gather_options, make_request
from storage.errors import BadInput, BadOption


def wishes_of(words: list[str], folder: Path, **environment: str):
    return gather_options(parse_command(["new", *words]).given, environment, folder)


def test_flag_wins_over_environment_over_file(tmp_path: Path):
    """The strongest says it, and each names its place."""
    (tmp_path / "longtake.toml").write_text(
        'ahead = 7\ncarry_every = 7\nretry_limit = 7\nsize = "64*64"\n'
    )
    environment = {"LONGTAKE_AHEAD": "5", "LONGTAKE_CARRY_EVERY": "5", "LONGTAKE_OFFLINE": "1"}
    wishes = wishes_of(["--ahead", "3"], tmp_path, **environment)
    assert wishes.fields == {
        "ahead": 3,
        "carry_every": 5,
        "offline": True,
        "retry_limit": 7,
        "width": 64,
        "height": 64,
    }
    assert wishes.sources == {
        "ahead": "--ahead",
        "carry_every": "LONGTAKE_CARRY_EVERY",
        "offline": "LONGTAKE_OFFLINE",
        "retry_limit": "longtake.toml",
        "width": "longtake.toml",
        "height": "longtake.toml",
    }


@pytest.mark.parametrize(
    ("words", "environment", "text", "named"),
    [
        (["--ahead", "many"], {}, "", "--ahead many"),
        ([], {"LONGTAKE_AHEAD": "1001"}, "", "LONGTAKE_AHEAD 1001 .* from 0 to 1000"),
        ([], {}, "crop = 'face'", "longtake.toml: crop face .* nothing is cut round the face"),
        ([], {"LONGTAKE_AHEAD": "many"}, "", "LONGTAKE_AHEAD many"),
        ([], {"LONGTAKE_OFFLINE": "perhaps"}, "", "LONGTAKE_OFFLINE perhaps"),
        ([], {}, "ahead = 'many'", "longtake.toml: ahead many"),
        ([], {}, "ahaed = 3", "did you mean ahead"),
        ([], {}, "ahead = ", "longtake.toml"),
        (["--offline", "--enable_online_decode"], {}, "", "--offline says otherwise"),
        (["--save_dir", "a", "--output_dir", "b"], {}, "", "--save-dir says otherwise"),
        (["--size", "70"], {}, "", "70"),
        (["--disk-budget", "lots"], {}, "", "20GB"),
    ],
)
def test_a_bad_value_is_named_with_its_place(
    words: list[str], environment: dict[str, str], text: str, named: str, tmp_path: Path
):
    """Whoever said it can find it."""
    (tmp_path / "longtake.toml").write_text(text)
    with pytest.raises(BadInput, match=named):
        wishes_of(words, tmp_path, **environment)


def test_a_variable_that_is_nearly_one_of_ours_is_named(tmp_path: Path):
    """A typing error in the environment does not go unnoticed; another program's variable does."""
    wishes = wishes_of([], tmp_path, LONGTAKE_CARY_EVERY="3", LONGTAKE_LOCKS="abc", HOME="/")
    assert wishes.notices == ["LONGTAKE_CARY_EVERY is not known; LONGTAKE_CARRY_EVERY is"]


def test_every_variable_that_the_code_reads_is_known(tmp_path: Path):
    """None is taken for a near miss of a flag."""
    code = "".join(
        path.read_text(encoding="utf-8")
        for room in ("pipeline", "tasks", "storage", "model")
        for path in Path(__file__).parents[3].joinpath(room).rglob("*.py")
    )
    names = set(re.findall(r'"LONGTAKE_([A-Z0-9_]+[A-Z0-9])"', code))
    assert {"RANK_LIMIT", "LOCKS", "WEB_TOKEN"} <= names
    flags = {flag.name.upper().replace("-", "_") for flag in FLAGS}
    assert names - flags <= NO_FLAGS
    assert not wishes_of([], tmp_path, **{f"LONGTAKE_{name}": "1" for name in NO_FLAGS}).notices


def test_one_films_own_words_are_not_taken_from_the_environment(tmp_path: Path):
    """A picture for all films would be a picture by accident."""
    wishes = wishes_of([], tmp_path, LONGTAKE_IMAGE="face.png", LONGTAKE_RUN="runs/x")
    assert not wishes.fields


def test_the_same_folder_said_twice_is_no_contradiction(tmp_path: Path):
    """Two names of one thing may agree; the last of two equal flags wins."""
    wishes = wishes_of(
        ["--save_dir", "a", "--output_dir", "a", "--ahead", "1", "--ahead", "2"], tmp_path
    )
    assert wishes.fields == {"output_dir": Path("a"), "ahead": 2}


def test_a_film_needs_a_picture_and_a_sound(tmp_path: Path):
    """What is missing is named, with an example."""
    with pytest.raises(BadInput, match=r"No sound was given\. For example"):
        make_request(wishes_of(["face.png"], tmp_path))
    with pytest.raises(BadOption, match="one of cover"):
        wishes_of(["a", "b", "--crop", "middle"], tmp_path)
