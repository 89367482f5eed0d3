"""model/pocket/face_boxes.py: mouth and eyes as boxes that are those of a face, or one line says why not."""

import subprocess
import sys

import numpy as np
import pytest

from model.pocket.face_boxes import FaceBoxes, clip_box, parse_boxes
from storage.errors import BadOption

MOUTH, LEFT, RIGHT = (100.0, 150.0, 56.0, 30.0), (80.0, 90.0, 30.0, 20.0), (146.0, 90.0, 30.0, 20.0)
FACE = FaceBoxes(MOUTH, LEFT, RIGHT)


def refused(face: FaceBoxes, width: int = 256, height: int = 256) -> str:
    """The one line."""
    with pytest.raises(BadOption) as caught:
        face.check(width, height)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_words_of_both_flags_are_a_face() -> None:
    assert FaceBoxes.from_options("100,150,56,30", "80,90,30,20,146,90,30,20") == FACE


def test_eyes_in_the_other_order_are_sorted() -> None:
    assert FaceBoxes.from_options("100,150,56,30", "146,90,30,20, 80,90,30,20") == FACE


def test_a_face_is_itself_again_out_of_its_text_and_out_of_its_array() -> None:
    assert str(FACE) == "100,150,56,30,80,90,30,20,146,90,30,20"
    assert FaceBoxes.from_text(str(FACE)) == FACE
    array = FACE.to_array()
    assert array.dtype == np.float32
    assert array.shape == (3, 4)
    assert FaceBoxes.from_array(array) == FACE


def test_text_has_two_decimals_and_no_exponent() -> None:
    face = FACE.map_boxes(lambda box: (box[0] / 3, box[1] * 1000, box[2], box[3]))
    assert str(face).startswith("33.33,150000,56,30,")


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,3,nan", "1e9,2,3,4"])
def test_what_is_no_box_is_told_what_a_box_is(text: str) -> None:
    with pytest.raises(ValueError, match="4 numbers are needed, x,y,w,h in the picture's pixels"):
        parse_boxes(text, 1)


def test_a_face_inside_of_its_picture_is_taken() -> None:
    FACE.check(256, 256)
    FACE.check(176, 180)


@pytest.mark.parametrize(
    ("mouth", "flaw"),
    [
        ((100, 150, 0, 30), "must be above 0"),
        ((100, 150, 56, -30), "must be above 0"),
        ((-1, 150, 56, 30), "is not inside of the picture, which has 256×256 pixels"),
        ((220, 150, 56, 30), "is not inside of the picture, which has 256×256 pixels"),
        ((100, 250, 56, 30), "is not inside of the picture, which has 256×256 pixels"),
        ((100, 20, 56, 30), "does not lie below the eyes (80,90,30,20,146,90,30,20)"),
        ((100, 60, 56, 190), "does not lie below the eyes"),
        ((5, 150, 20, 30), "does not lie below the eyes"),
        ((60, 100.5, 140, 120), "it lies over an eye"),
    ],
)
def test_a_mouth_that_cannot_be_is_refused_with_its_flag(
    mouth: tuple[float, float, float, float], flaw: str
) -> None:
    line = refused(FaceBoxes(mouth, LEFT, RIGHT))
    assert flaw in line
    assert line.startswith("--mouth ")


def test_a_mouth_may_touch_large_eyes() -> None:
    large = (70.0, 80.0, 50.0, 80.0), (136.0, 80.0, 50.0, 80.0)
    FaceBoxes((100, 150, 56, 30), *large).check(256, 256)


def test_eyes_that_cannot_be_are_refused_with_their_flag() -> None:
    assert refused(FACE, 160, 256).startswith("--eyes 80,90,30,20,146,90,30,20 ")
    line = refused(FaceBoxes(MOUTH, LEFT, (85, 90, 30, 20)))
    assert line.startswith("--eyes ")
    assert "at one place" in line
    line = refused(FaceBoxes(MOUTH, (80, 20, 30, 20), RIGHT))
    assert line.startswith("--eyes ")
    assert "one eye lies above the other; turn the picture upright first" in line


def test_a_box_is_cut_to_its_picture() -> None:
    assert clip_box((-10, 5, 30, 30), 100, 20) == (0, 5, 20, 15)
    assert clip_box((200, 5, 30, 30), 100, 20)[2] == 0


def test_boxes_are_read_without_a_heavy_library() -> None:
    code = (
        "import sys; import model.pocket.face_boxes as f; print(f.FaceBoxes.from_text('1,8,3,4,1,2,3,4,5,2,3,4'));"
        "sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
