"""What is shown does nothing but show."""

import unicodedata

import pytest

from storage.printable import spell_unprintable


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a film", "a film"),
        ("Ä, 日本, न, 👩‍👩‍👧, می‌خواهم", "Ä, 日本, न, 👩‍👩‍👧, می‌خواهم"),
        ("a\N{NO-BREAK SPACE}film", "a\N{NO-BREAK SPACE}film"),
        ("\x1b]0;owned\x07\x1b[2J", r"\x1b]0;owned\x07\x1b[2J"),
        ("one\n[SUCCESS] Clip 7 generated", r"one\n[SUCCESS] Clip 7 generated"),
        ("\r\x9b2K\x7f\x00", r"\r\x9b2K\x7f\x00"),
        ("gnp.\u202eexe", r"gnp.\u202eexe"),
        ("a\u2028b\u2066c\ufeffd\U000e0041", r"a\u2028b\u2066c\ufeffd\U000e0041"),
        ("caf\udce9", r"caf\xe9"),
        ("\ud800", r"\ud800"),
    ],
)
def test_letters_stay_and_what_acts_is_spelled(words: str, shown: str) -> None:
    """Any writing stays as it is; escapes, ends of lines, turned text and broken bytes can be seen, and do nothing."""
    assert spell_unprintable(words) == shown


def test_nothing_that_acts_is_left() -> None:
    """Of all of Unicode; and all of it can be written."""
    whole = "".join(map(chr, range(0x110000)))
    shown = spell_unprintable(whole)
    acting = {unicodedata.category(letter) for letter in set(shown) - {"\u200c", "\u200d"}}
    assert not acting & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert shown.encode()


def test_a_text_of_several_lines_may_stay_one() -> None:
    """Where its ends of lines are ours."""
    assert spell_unprintable("a\nb\tc", keep="\n") == "a\nb\\tc"
