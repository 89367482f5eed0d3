"""Figures in words: no rounding, plural or stretch of clips says what is not so."""

import pytest

from pipeline.monitor.words import clips_in_words, film_length, format_beside_bounds, value_in_words


@pytest.mark.parametrize(
    ("value", "bounds", "shown"),
    [
        (0.7996, (0.8, 1.25), "0.7996"),
        (0.8004, (0.8, 1.25), "0.8004"),
        (0.85, (0.8, 1.25), "0.85"),
        (0.8, (0.8,), "0.80"),
        (-2.001, (-2, 2), "−2.001"),
        (3.0000001, (3,), "3.0000001"),
    ],
)
def test_a_rounded_figure_stays_on_its_side(value: float, bounds: tuple[float, ...], shown: str):
    """As many digits as show whether a level is met, and two otherwise."""
    assert format_beside_bounds(value, bounds) == shown


def test_values_have_no_python_in_them():
    """Nothing, truth, numbers, digests and takes."""
    take = {"parent": "202cafc0" * 8, "clip": 2, "until": 3, "seed": 9, "redecode": False}
    values = ("", None, (), False, 900.0, 0, "ab" * 32, (take,))
    assert [value_in_words(each) for each in values] == [
        *("–", "–", "–", "no", "900", "0", "abababababab…"),
        "clip 2 of 202cafc0 with seed 9",
    ]


def test_clips_and_lengths():
    """One clip, several, stretches; a film that is shorter than a second is not 0:00:00 long."""
    assert clips_in_words([4]) == "clip 4"
    assert clips_in_words(range(2, 3)) == "clip 2"
    assert clips_in_words([4, 7, 8]) == "3 clips: 4, 7 to 8"
    assert clips_in_words(range(0, 60, 2)).endswith("36, 38 …")
    assert film_length(12, 25) == "0:00:00.48"
    assert film_length(90000, 25) == "1:00:00"
