"""A click on the picture tells where the mouth is, where the eyes are, or who speaks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model import avatar, registry
from model.pocket.face_boxes import find_middle, parse_boxes
from pipeline.web.face_click import (
    EYE_COLOUR,
    MOUTH_COLOUR,
    SeenPicture,
    ToldFace,
    boxes_shown,
    draw_boxes,
    look_at_picture,
    tell_by_click,
)
from pipeline.web.form_tab import read_told

MILA = Path(__file__).parents[3] / "examples/mila.png"


@pytest.fixture(scope="module")
def mila() -> SeenPicture:
    traits = registry.describe_model("pocket", avatar.Options())
    return look_at_picture(MILA, traits, (256, 256), "cover")


def test_the_face_is_found_in_pixels_of_the_file_and_drawn_on_the_picture(mila):
    assert len(mila.faces) == 1
    with Image.open(MILA) as file:
        assert (mila.width, mila.height) == file.size
    drawn = np.asarray(draw_boxes(mila, read_told([None, None, None])))
    left, top, width, _ = (round(side * mila.scale) for side in mila.faces[0].boxes.mouth)
    assert tuple(drawn[top, left + width // 2]) == (255, 48, 48)


def test_a_click_moves_the_mouth_and_keeps_its_size(mila):
    told = tell_by_click(mila, ToldFace(), (100.0, 200.0), "mouth")
    (box,) = parse_boxes(told.mouth, 1)
    assert find_middle(box) == pytest.approx((100, 200), abs=1)
    assert box[2:] == pytest.approx(mila.faces[0].boxes.mouth[2:], abs=1)


def test_two_clicks_tell_two_eyes_and_a_third_begins_anew(mila):
    first = tell_by_click(mila, ToldFace(mouth="1,2,3,4"), (100.0, 100.0), "eyes")
    assert first.half_an_eye
    assert first.mouth == "1,2,3,4"
    second = tell_by_click(mila, first, (200.0, 100.0), "eyes")
    assert [round(find_middle(box)[0], -1) for box in parse_boxes(second.eyes, 2)] == [100, 200]
    assert tell_by_click(mila, second, (50.0, 60.0), "eyes").half_an_eye


def test_who_speaks_is_told_by_the_nearest_face_and_forgets_the_boxes(mila):
    told = tell_by_click(mila, ToldFace(mouth="1,2,3,4"), (1.0, 1.0), "face")
    assert told == ToldFace(face="1")


def test_without_a_face_a_click_tells_a_box_of_the_pictures_own_size():
    blank = SeenPicture(np.zeros((400, 600, 3), np.uint8), 600, 400, ())
    told = tell_by_click(blank, ToldFace(), (300.0, 300.0), "mouth")
    (box,) = parse_boxes(told.mouth, 1)
    assert box[2:] == (64, 28)
    assert tell_by_click(blank, ToldFace(), (300.0, 300.0), "face") == ToldFace()


def test_told_boxes_win_over_found_ones_and_half_typed_ones_are_passed_over(mila):
    told = list(boxes_shown(mila.faces, ToldFace(mouth="10,20,30,40")))
    assert ((10, 20, 30, 40), MOUTH_COLOUR) in told
    assert [colour for _, colour in told] == [MOUTH_COLOUR, EYE_COLOUR, EYE_COLOUR]
    assert list(boxes_shown((), ToldFace(mouth="10,2", eyes="x"))) == []
