"""model/pocket/face_motion.py: a face's motion is found and undone, whatever the head, the brows and the lips do."""
# ruff: noqa: E402 - the path is set before what lies on it

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path[:0] = [str(Path(__file__).parents[2])]
from drawn_presenter import SIDE, Byte, draw_presenter

from model.pocket.face_motion import REGIONS, FaceTracker, Points, measure_axes, sample_image


def move_picture(picture: Byte, shift: complex, turn: complex) -> tuple[Byte, complex]:
    """The picture moved as a whole around its middle: z goes to m + turn · (z − m) + shift."""
    y, x = np.mgrid[: len(picture), : picture.shape[1]]
    middle = complex(picture.shape[1], len(picture)) / 2
    from_where = (x + 1j * y - middle - shift) / turn + middle
    return sample_image(picture, from_where).round().astype(np.uint8), middle


@pytest.mark.parametrize(
    ("shift", "turn"),
    [
        (0j, 1 + 0j),
        (20 - 12j, 1 + 0j),
        (-24 + 8j, np.exp(0.1j)),
        (6 + 20j, 1.05 * np.exp(-0.06j)),
        (-9 - 9j, 0.95 + 0j),
    ],
)
def test_a_moved_picture_is_found_to_half_a_pixel(shift: complex, turn: complex):
    """Up to a tenth of the picture aside, a tenth of a radian round, and a twentieth larger or smaller."""
    person = draw_presenter(800_003)
    tracker = FaceTracker(person.picture, person.boxes)
    frame, middle = move_picture(person.picture, shift, turn)
    face = tracker.follow(frame)
    truth: Points = (tracker.points - middle) * turn + middle + shift
    away = np.abs(tracker.place_regions(face.alone) - truth).mean(1)
    assert away.max() < 0.5, dict(zip(REGIONS, away, strict=True))


def test_a_film_of_twice_the_size_is_measured_in_the_same_pixels():
    """What is seen of the regions is the same, so that 256 and 512 pixels are judged alike."""
    person = draw_presenter(800_003)
    small = FaceTracker(person.picture, person.boxes)
    large = FaceTracker(person.draw([{}], 2 * SIDE)[0], 2 * person.boxes)
    assert np.abs(small.still - large.still).mean() < 4
    assert large.picture.shape == small.picture.shape


@pytest.mark.parametrize("brow", [-0.5, 1.0])
def test_a_brow_is_followed_where_it_goes(brow: float):
    """It is raised or drawn down further than its neighbours go, and is seen in the middle of its region all the same."""
    person = draw_presenter(800_006)
    tracker = FaceTracker(person.picture, person.boxes)
    seen = tracker.follow(person.draw([{"brow": brow}])[0]).sample_regions()
    for region in (2, 3):
        stiff = tracker.follow(person.picture).sample_regions()
        assert np.abs(seen[region] - tracker.still[region]).mean() < 12, REGIONS[region]
        assert np.abs(stiff[region] - tracker.still[region]).mean() < 1


def test_a_face_turned_aside_has_its_size_from_the_way_to_the_mouth():
    """Eyes near each other would make all regions small; a picture that lies on its side has regions that lie with it."""
    apart = np.array([[40, 90, 40, 10], [40, 40, 10, 8], [70, 40, 10, 8]], np.float32)
    near = np.array([[40, 90, 40, 10], [50, 40, 10, 8], [60, 40, 10, 8]], np.float32)
    assert measure_axes(apart).unit == pytest.approx(0.75 * 51)
    assert measure_axes(near).unit == pytest.approx(0.75 * 51)
    lying = measure_axes(np.array([[30, 50, 10, 40], [90, 40, 8, 10], [90, 90, 8, 10]], np.float32))
    assert lying.across.imag == pytest.approx(abs(lying.across))
    assert lying.mouth.imag > 0
