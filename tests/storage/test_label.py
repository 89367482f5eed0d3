"""The visible label: where it stands, how high it is, how long it is seen, and what of the picture it leaves alone."""

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.label import Label, draw_label, find_undrawable, label_margin, measure_label
from storage.label_words import LANGUAGES, PLACES

SIZES = [(256, 256), (512, 512), (704, 384), (384, 704)]


def picture(width: int, height: int, frames: int = 3) -> NDArray[np.uint8]:
    """Frames of noise in the middle of all greys."""
    return np.random.default_rng(1).integers(80, 176, (frames, height, width, 3), np.uint8)


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The pixels that differ [frame, y, x]."""
    return (before != after).any(-1)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_label_stands_in_its_corner(width: int, height: int, place: str):
    """Within its panel all is darker but the letters; outside no pixel is another; the frames that were given stay as they were."""
    before = picture(width, height)
    given = before.copy()
    after = draw_label(before, Label("AI-generated", place, 0), 0)
    assert (before == given).all()
    rows, columns = np.nonzero(changed(before, after)[0])
    wide, high = measure_label("AI-generated", width, height)
    margin = label_margin(width, height)
    left = margin if place.endswith("left") else width - margin - wide
    top = margin if place.startswith("top") else height - margin - high
    assert (columns.min(), columns.max() + 1) == (left, left + wide)
    assert (rows.min(), rows.max() + 1) == (top, top + high)


@pytest.mark.parametrize("words", LANGUAGES.values())
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_letters_are_as_high_as_the_standard_asks(width: int, height: int, words: str):
    """A capital letter is a twentieth of the shorter side at least, of any film; and it is white on dark."""
    after = draw_label(
        np.full((1, height, width, 3), 128, np.uint8), Label(words, "top-left", 0), 0
    )
    margin, (_, high) = label_margin(width, height), measure_label(words, width, height)
    capital = after[0, :, margin : margin + high, 0]  # A stands there
    rows = np.nonzero((capital > 200).any(1))[0]
    assert rows.max() + 1 - rows.min() >= min(width, height) / 20
    assert capital.max() >= 235
    assert capital[rows.min() - 2 : rows.min()].max() < 80


def test_label_is_seen_for_as_long_as_asked():
    """Its last frame may be within a clip; of a clip behind it nothing is changed."""
    before = picture(256, 256, frames=5)
    for first, seen in ((0, 5), (5, 2), (7, 0), (100, 0)):
        after = draw_label(before, Label("AI", "top-left", 7), first)
        assert changed(before, after).any((1, 2)).tolist() == [frame < seen for frame in range(5)]
    assert changed(before, draw_label(before, Label("AI", "top-left", 0), 10**6)).any((1, 2)).all()


def test_letters_that_cannot_be_drawn_are_found():
    """Each once; those of both usual labels can be."""
    assert find_undrawable("Généré par IA, 人工人") == "é人工"
    for words in LANGUAGES.values():
        assert find_undrawable(words) == ""
