"""Where a film lies on pocket's canvas: all of it, or a square around a small face."""

import pytest

from model.avatar import Options
from model.pocket.canvas import (
    Region,
    boxes_on_canvas,
    choose_region,
    locate_face,
)


def face(x: float, y: float, size: float) -> list[list[float]]:
    """Boxes of a face whose eyes and mouth are `size` apart, in the middle of which is (x, y)."""
    eye, mouth = size / 5, size / 2
    middles = [(x, y + size / 2, mouth), (x - size / 2, y - size / 2, eye), (x + size / 2, y - size / 2, eye)]  # fmt: skip
    return [[cx - w / 2, cy - w / 4, w, w / 2] for cx, cy, w in middles]


def test_a_face_is_located() -> None:
    """By its middle and the larger of its two measures."""
    assert locate_face(face(100, 80, 40)) == pytest.approx((100, 80, 40))


@pytest.mark.parametrize(("width", "height"), [(512, 512), (640, 352), (300, 900)])
def test_a_large_face_has_the_whole_film_on_the_canvas(width: int, height: int) -> None:
    """A square as wide as the longer side, the film in its middle."""
    longest = max(width, height)
    region = choose_region(Options(width, height), face(width / 2, height / 2, longest / 5))
    assert (region.width, region.height, region.whole) == (longest, longest, True)
    assert (2 * region.left + longest, 2 * region.top + longest) == pytest.approx((width, height), abs=1)  # fmt: skip


@pytest.mark.parametrize("x", [60, 500, 940])
def test_a_small_face_is_looked_at_by_itself(x: float) -> None:
    """A square of a few faces around it that does not leave the film, and holds the face whole."""
    boxes = face(x, 300, 50)
    region = choose_region(Options(1000, 600), boxes)
    assert not region.whole
    assert 0 <= region.left <= region.left + region.width <= 1000
    assert region.width == 260
    for cx, cy, wide, high in boxes_on_canvas(boxes, region):
        assert abs(cx) + wide < 1
        assert abs(cy) + high < 1


@pytest.mark.parametrize("width", [384, 512, 2048])
def test_a_face_is_as_large_on_the_canvas_however_wide_the_film_is(width: int) -> None:
    """On the canvas of a wide film, at half its size beside another or beside a wall, a face loses an eighth of what it says."""
    boxes = face(width / 4, 160, 66)
    region = choose_region(Options(width, 256), boxes)
    assert (region.whole, region.width, region.height) == (False, 343, 343)
    for cx, cy, wide, high in boxes_on_canvas(boxes, region):
        assert abs(cx) + wide < 1
        assert abs(cy) + high < 1


def test_a_region_that_is_higher_than_the_film_covers_all_of_it() -> None:
    """The face as near to its middle as the film's edges let it be."""
    region = choose_region(Options(2048, 256), face(1000, 180, 60))
    assert (region.left, region.top, region.width, region.height) == (844, 0, 312, 312)
    region = choose_region(Options(2048, 256), face(1000, 100, 60))
    assert (region.left, region.top, region.width, region.height) == (844, -56, 312, 312)


@pytest.mark.parametrize("side", [16, 64, 100])
def test_a_small_film_lies_on_the_canvas_whole(side: int) -> None:
    """Enlarged, as a large one is made smaller: there is one canvas, for which the model was trained."""
    region = choose_region(Options(side, side), face(side / 2, side / 2, side / 5))
    assert region == Region(0, 0, side, side)


def test_a_tiny_face_of_a_tiny_film_stays_inside_it() -> None:
    """A square around it is no larger than the film."""
    region = choose_region(Options(48, 48), face(20, 20, 4))
    assert (region.left, region.top, region.width, region.height) == (0, 0, 48, 48)


def test_boxes_are_told_in_half_canvases() -> None:
    """Centre and half sizes, from the middle of the region."""
    assert boxes_on_canvas([[64, 32, 32, 16]], Region(0, 0, 128, 64)) == [[0.25, 0.25, 0.25, 0.25]]
