"""tasks/missing_face.py: where no face is found, one line says why and what to do."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from storage.errors import BadImage
from tasks.request import Request
from tasks.resolve import resolve_request
from tasks.viewed_faces import describe_turn

Ask = Callable[..., Request]
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _needs_face(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FACE", "1")


@pytest.fixture
def refused(ask: Ask, tmp_path: Path) -> Callable[..., str]:
    """The one line about a picture."""

    def refuse(picture: Image.Image, **fields: object) -> str:
        picture.save(tmp_path / "picture.png")
        request = replace(ask(1), **{"image": tmp_path / "picture.png", **fields})
        with pytest.raises(BadImage) as caught:
            resolve_request(request)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refuse


def read_example(name: str, side: int = 512) -> Image.Image:
    with Image.open(EXAMPLES / f"{name}.png") as picture:
        return picture.convert("RGB").resize((side, side))


@pytest.mark.parametrize(
    ("clockwise", "words"),
    [
        (180, "180°"),
        (90, "90° counterclockwise"),
        (-90, "90° clockwise"),
        (-55, "[56][05]° clockwise"),
    ],
)
def test_a_picture_that_is_not_upright_is_told_how_to_turn_it(
    clockwise: int, words: str, refused: Callable[..., str]
) -> None:
    turned = read_example("mila").rotate(-clockwise, fillcolor="white")
    line = refused(turned)
    assert re.search(f"not upright; turn it by {words} first", line), line


def test_a_turn_is_told_the_shorter_way_round() -> None:
    assert describe_turn(180) == describe_turn(-180) == "180°"
    assert describe_turn(225) == "135° counterclockwise"
    assert describe_turn(-225) == "135° clockwise"


def test_a_face_that_is_cut_off_is_told_which_crop_shows_it(refused: Callable[..., str]) -> None:
    wide = Image.new("RGB", (1100, 512), "white")
    wide.paste(read_example("joon", 400), (700, 60))
    line = refused(wide)
    assert "in what the film shows of it; --crop right shows one, --size 64*32 all" in line


def test_a_head_above_a_tall_body_is_told_the_upper_crop(refused: Callable[..., str]) -> None:
    tall = Image.new("RGB", (500, 1500), (90, 120, 80))
    tall.paste(read_example("lin", 420), (40, 0))
    assert "--crop top shows one, --size 32*96 all" in refused(tall)


def test_a_small_face_is_told_to_cut_the_picture_to_it(refused: Callable[..., str]) -> None:
    picture = Image.new("RGB", (1000, 1000), (150, 190, 240))
    picture.paste(read_example("amara", 190), (600, 300))
    line = refused(picture)
    assert re.search(
        "a face was found that is small, (10|11|12|13)% of what the film shows; cut the picture to it",
        line,
    )
    assert "--mouth x,y,w,h --eyes x,y,w,h,x,y,w,h" in line


def test_half_a_face_is_not_called_small(refused: Callable[..., str]) -> None:
    """Though a part of the picture, by itself, may look like one."""
    line = refused(read_example("mila").crop((0, 0, 512, 256)))
    assert "no face was found in it" in line
    assert "small" not in line


def test_where_no_crop_shows_a_face_none_is_told(refused: Callable[..., str]) -> None:
    line = refused(Image.new("RGB", (900, 300), (150, 190, 240)))
    assert "no face was found in it; tell where mouth and eyes are" in line
    assert "--crop" not in line
