"""storage/picture_fit.py: where a pixel of the picture is in the film, and the other way round."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from storage.picture import read_picture
from storage.picture_fit import GRAVITY, measure_fit

SIDES = st.integers(32, 4000)


@pytest.mark.parametrize("crop", [*GRAVITY, "contain"])
@pytest.mark.parametrize("size", [(600, 400), (400, 700), (90, 120), (128, 96)])
def test_a_box_is_where_the_film_shows_what_it_is_round(
    tmp_path: Path, crop: str, size: tuple[int, int]
) -> None:
    box = (size[0] * 2 // 5, size[1] * 2 // 5, size[0] // 5, size[1] // 5)
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).rectangle(
        (box[0], box[1], box[0] + box[2] - 1, box[1] + box[3] - 1), fill="black"
    )
    picture.save(tmp_path / "box.png")
    film = read_picture(tmp_path / "box.png", width=128, height=96, crop=crop)
    x, y, width, height = measure_fit(size, (128, 96), crop).to_film(box)
    dark = film[..., 0] < 128
    across, down = np.flatnonzero(dark.any(0)), np.flatnonzero(dark.any(1))
    seen = (across[0], down[0], across[-1] + 1, down[-1] + 1)
    shown = (max(x, 0), max(y, 0), min(x + width, 128), min(y + height, 96))
    assert seen == pytest.approx(shown, abs=0.6)


@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from([*GRAVITY, "contain"]))
def test_to_the_film_and_back_is_the_same_box(
    width: int, height: int, film_width: int, film_height: int, crop: str
) -> None:
    fit = measure_fit((width, height), (film_width, film_height), crop)
    box = (width / 3, height / 5, width / 7, height / 9)
    assert fit.to_picture(fit.to_film(box)) == pytest.approx(box)


def test_a_picture_of_the_films_size_stays_where_it_is() -> None:
    box = (1.0, 2.0, 3.0, 4.0)
    for crop in (*GRAVITY, "contain", "exact"):
        assert measure_fit((256, 128), (256, 128), crop).to_film(box) == box
