"""A script laid on a film: blocks, gaps, ends."""

from fractions import Fraction
from pathlib import Path

import fake_avatar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.avatar import Options
from model.prompt_schedule import PromptChange, parse_changes
from storage.errors import BadOption
from tasks.prompt_script import build_script, nearest_block
from tasks.request import Request

TRAITS = fake_avatar.traits_of(Options(32, 32))
BLOCK = Fraction(12, 25)
"""Seconds of a block."""


def lay(folder: Path, *rows: str, seconds: Fraction = Fraction(10), clips: int | None = None, prompt: str = "") -> tuple[PromptChange, ...]:  # fmt: skip
    path = folder / "film.csv"
    path.write_text("\n".join(("from,until,prompt,fade", *rows)), encoding="utf-8")
    request = Request(Path("a"), Path("b"), script=path, prompt=prompt)
    frames = round(seconds * 25) if clips is None else clips * 48
    return parse_changes(build_script(request, TRAITS, seconds, frames))


def test_without_a_script_there_is_none() -> None:
    """So the spec is that of films before there were scripts."""
    assert build_script(Request(Path("a"), Path("b")), TRAITS, Fraction(9), 225) == ""


def test_where_an_entry_ends_and_none_begins_the_film_s_own_prompt_holds(tmp_path: Path) -> None:
    """Before the first entry, too: nothing is said of block 0 there."""
    found = lay(tmp_path, "1s,2s,a,1", "4s,6s,b,", "6s,,c,3", prompt="calm")
    told = [(each.block, each.fade, each.prompt) for each in found]
    assert told == [(2, 1, "a"), (4, 1, "calm"), (8, 0, "b"), (13, 3, "c")]


def test_a_prompt_of_several_lines_is_one_in_the_script(tmp_path: Path) -> None:
    """A change is a line of the spec's text."""
    found = lay(tmp_path, "1s,2s,a,", prompt="She nods\n and smiles.\r\n")
    assert [each.prompt for each in found] == ["a", "She nods and smiles."]


def test_what_holds_from_the_beginning_does_not_fade_in(tmp_path: Path) -> None:
    assert lay(tmp_path, "0s,,a,5")[0] == PromptChange(0, 0, 100, 100, "a")


@given(st.fractions(0, 4000, max_denominator=1000))
def test_a_change_begins_within_half_a_block_of_its_time(time: Fraction) -> None:
    assert abs(nearest_block(time, TRAITS) * BLOCK - time) <= BLOCK / 2


def test_a_change_in_the_last_half_block_is_seen(tmp_path: Path) -> None:
    """It takes the film's last block, though the next would be nearer; an end there changes nothing any more."""
    assert [each.block for each in lay(tmp_path, "9.99s,,a,")] == [20]
    assert [each.block for each in lay(tmp_path, "8s,9.9s,a,")] == [17]


def test_a_film_of_fewer_clips_has_the_beginning_of_the_script(tmp_path: Path) -> None:
    """`--num-clip` shows how a long film begins: what is later in its script is no mistake."""
    rows = ("1s,,a,", "5s,,b,", "9s,,c,")
    assert lay(tmp_path, *rows, clips=2) == lay(tmp_path, *rows)[:1]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (("1s,,a,", "10s,,b,"), "entry 2 lies past the end: the film lasts 0:00:10"),
        (("9s,10.2s,a,",), "entry 1 lies past the end"),
        (("1s,,a,", "1.1s,,b,"), "two changes about 0:00:00.96 are nearer than 0.48 s"),
        (("1s,1.1s,a,",), "two changes about 0:00:00.96 are nearer than 0.48 s"),
    ],
)
def test_what_does_not_fit_the_film_is_one_line(
    tmp_path: Path, rows: tuple[str, ...], words: str
) -> None:
    with pytest.raises(BadOption, match=r"--script .*film.csv cannot be used: ") as error:
        lay(tmp_path, *rows)
    assert words in str(error.value)


def test_a_subtitle_may_end_with_the_sound(tmp_path: Path) -> None:
    """A sound is seldom a whole number of frames long."""
    assert len(lay(tmp_path, "9s,10.02s,a,", seconds=Fraction("10.019"))) == 1
