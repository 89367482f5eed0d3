"""model/pocket/training/face_measures.py: a face that is held, one that is not, and lips that stay behind, from true renders."""
# ruff: noqa: E402 - the path is set before what lies on it

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path[:0] = [str(Path(__file__).parents[3])]
from drawn_presenter import Byte, Presenter, blend, draw_presenter

from model.pocket.training import face_measures
from model.pocket.training.face_measures import find_narrow, measure_ghosts, measure_hold

POSES: list[dict[str, float]] = [
    {"dx": 0.05, "tilt": 0.05, "gaze_x": 0.1},
    {"dx": -0.04, "tilt": -0.06, "blink": 1.0, "aperture": 0.6},
    {"dy": 0.03, "gaze_y": 0.1, "aperture": 0.02},
]


@pytest.fixture(scope="module")
def person() -> Presenter:
    """A plain portrait."""
    return draw_presenter(800_003)


@pytest.fixture
def every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """The films here have three frames."""
    monkeypatch.setattr(face_measures, "EVERY", 1)


@pytest.mark.usefixtures("every_frame")
def test_a_true_film_meets_the_levels_and_an_eye_that_goes_misses_them(person: Presenter):
    """Its own motion costs less than the levels of the table leave; the part that goes is named."""
    picture, boxes = person.picture, person.boxes
    begin, end = person.draw([*POSES, {}]), person.draw(POSES)
    held = measure_hold(picture, boxes, begin, end)
    assert held is not None
    assert min(held.likeness, held.brow) > 0.98
    assert held.colour < 2
    assert held.eyes < 0.07
    assert held.sharpness == pytest.approx(1, abs=0.05)
    x, y, wide, high = boxes[1]
    skin = np.broadcast_to(picture[int(y + 1.5 * high), int(x)], picture.shape)
    gone = np.stack([blend(each, skin, (x + wide / 2, y + high / 2, 25, 20)) for each in end])
    lost = measure_hold(picture, boxes, begin, gone)
    assert lost is not None
    assert (lost.part, lost.likeness < 0.8) == ("left eye", True)


def test_a_face_that_is_none_from_the_start_has_no_hold(person: Presenter):
    """Noise for a film: no part can be told."""
    noise: Byte = np.random.default_rng(0).integers(0, 255, (4, 256, 256, 3), dtype=np.uint8)
    assert measure_hold(person.picture, person.boxes, noise, noise) is None


@pytest.mark.usefixtures("every_frame")
def test_ghosts_are_told_by_the_frames_with_a_narrow_mouth(person: Presenter):
    """Of true ones little stays, of ghosts a half; a mouth that is never narrow has no such frames."""
    picture, boxes = person.picture, person.boxes
    width = np.array([0.2, 0.9, 0.3], np.float32)
    assert find_narrow(width).tolist() == [0, 2]
    assert not find_narrow(np.ones(3, np.float32)).size
    frames = person.draw([{"width": w, "aperture": 0.3, "rounding": 0.8} for w in (0.2, 0.3)])
    x, y, wide, high = boxes[0]
    ghost = np.stack(frames)
    for side in (0.0, 1.0):
        spot = (x + side * wide, y + high / 2, 8, 12)
        ghost = np.stack([blend(each, picture, spot) for each in ghost])
    true, false = (measure_ghosts(picture, boxes, film) for film in (frames, ghost))
    assert true < 0.15
    assert false > 0.4
