"""Prompts are read as rows of acts, in English and Chinese."""

import subprocess
import sys

import pytest

from model.pocket.acts import ACTS
from model.pocket.prompts import BEYOND, LEVELS, WEIGHTS, read_prompt
from model.pocket.training.judged_acts import read_prompts


@pytest.mark.parametrize(("language", "number"), [("English", 80), ("Chinese", 40)])
def test_held_out_wordings_are_understood(language: str, number: int) -> None:
    """Of wordings that training never met 95 % and more are right in every act, strength and sign."""
    cases = [prompt for prompt in read_prompts() if prompt.language == language]
    assert len(cases) >= number
    wrong = [prompt.text for prompt in cases if read_prompt(prompt.text).row != prompt.row]
    assert len(wrong) <= 0.05 * len(cases), wrong


def test_left_is_the_pictures_unless_it_is_the_presenters() -> None:
    """Towards the picture's left edge is below zero; a presenter's own left is the picture's right."""
    assert read_prompt("looks left").named() == {"gaze_x": -0.7}
    assert read_prompt("looks to her left").named() == {"gaze_x": 0.7}
    assert read_prompt("看向左边").named() == {"gaze_x": -0.7}
    assert read_prompt("她看向自己的左边").named() == {"gaze_x": 0.7}


def test_what_is_not_understood_is_named() -> None:
    """Content words without a part in any act, once each and as they were written."""
    read = read_prompt("A woman in a Red dress speaks to the camera, warm light, red light")
    assert not read.named()
    assert read.unread == ("Red", "dress", "warm", "light")
    assert "灯光" in "".join(read_prompt("她微笑，暖色灯光").unread)


@pytest.mark.parametrize(
    ("text", "plain"),
    [("she is happy 😀", "she is happy"), ("nods ❤️ ★ #talk", "nods talk"), ("[happy]", "happy"), ("nods *smiles*", "nods smiles"),
     ("sad/angry", "sad, angry"), ("She nods!", "She nods."), ("\x1b[31mshe nods\x1b[0m", "she nods"), ("$$$ @ 👍", "")],
)  # fmt: skip
def test_marks_that_nobody_learnt_ask_nothing(text: str, plain: str) -> None:
    """An emoji, a bracket, a star, a terminal's colours: the words are read as if they were not there. One turned happy into sad."""
    assert read_prompt(text) == read_prompt(plain)


def test_what_is_beyond_the_longest_prompt_is_said() -> None:
    """Its words ask nothing, and that is named."""
    read = read_prompt("A studio with a desk. " * 100 + "She nods.")
    assert not read.named()
    assert read.unread == ("studio", "desk", BEYOND)
    assert read_prompt("She nods. " + "A desk. " * 40).named() == {"nod": 0.7}


def test_levels_are_the_same_numbers_everywhere() -> None:
    """A row has nine numbers, each zero or plus or minus one of three levels."""
    for text in ("", "  ", "!?", "smile " * 900, "\x00", "happy but not sad", "🙂", "笑" * 500):
        row = read_prompt(text).row
        assert len(row) == len(ACTS)
        assert {abs(value) for value in row} <= {0.0, *LEVELS}


def test_reading_needs_no_torch_and_little_room() -> None:
    """The weights are a mebibyte at most, and torch stays out."""
    code = "import sys; from model.pocket.prompts import BEYOND, read_prompt as r; r('nods'); print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "False"
    assert WEIGHTS.stat().st_size <= 1 << 20
