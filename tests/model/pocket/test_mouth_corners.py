"""model/pocket/mouth_corners.py: a ghost of the picture's own lips beside a narrow mouth is seen, and a mouth is none."""
# ruff: noqa: E402 - the path is set before what lies on it

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[2])]
from drawn_presenter import blend, draw_presenter

from model.pocket.face_likeness import FaceLikeness
from model.pocket.face_motion import FaceTracker
from model.pocket.mouth_corners import find_corners


@pytest.mark.parametrize("seed", range(800_000, 800_005))
def test_the_corners_of_the_lips_are_found_to_three_pixels(seed: int):
    """With a beard as without one: where the lips' box ends."""
    person = draw_presenter(seed)
    axes = FaceTracker(person.picture, person.boxes).axes
    places = [complex(axes.to_pixels(axes.mouth + c)) for c in find_corners(person.picture, axes)]
    left, _, width, _ = person.boxes[0]
    assert places[0].real == pytest.approx(left, abs=3)
    assert places[1].real == pytest.approx(left + width, abs=3)


@pytest.mark.parametrize("seed", [800_000, 800_001, 800_003, 800_004, 800_006])
def test_a_corner_that_stays_beside_a_narrow_mouth_is_seen(seed: int):
    """In the picture it is all there; where the mouth is round it is gone; a ghost of it is half of it."""
    person = draw_presenter(seed)
    judge = FaceLikeness(person.picture, person.boxes)
    narrow = person.draw([{"aperture": 0.3, "width": 0.2, "rounding": 1.0, "dx": 0.03}])[0]
    rest = person.draw([{"dx": 0.03}])[0]
    ghost = narrow
    x, y, wide, high = person.boxes[0]
    for side in (0.0, 1.0):
        ghost = blend(ghost, rest, (x + side * wide + 0.03 * 128, y + high / 2, 8, 12))
    assert judge.measure_frame(person.picture).stay == pytest.approx(1, abs=0.02)
    assert judge.measure_frame(narrow).stay.max() < 0.25
    assert judge.measure_frame(ghost).stay.min() > 0.35
