"""Cartoons are of every kind, and their boxes are where mouth and eyes were drawn."""

import numpy as np
from PIL import Image

from model.pocket.training.cartoon_faces import SIDE, draw_cartoon
from model.pocket.training.cartoon_features import EYES, MOUTHS, Place, make_eye_look
from model.pocket.training.cartoon_sketch import Chance, Sketch, bound_parts


def test_a_seed_is_one_picture() -> None:
    one, again, other = draw_cartoon(3), draw_cartoon(3), draw_cartoon(4)
    assert np.array_equal(one.picture, again.picture)
    assert not np.array_equal(one.picture, other.picture)


def test_most_have_a_face_with_its_mouth_below_its_eyes() -> None:
    drawn = [draw_cartoon(seed).boxes for seed in range(120)]
    faces = [boxes for boxes in drawn if boxes is not None]
    assert 90 < len(faces) < 120
    for mouth, left, right in faces:
        assert left[0] + left[2] / 2 < right[0] + right[2] / 2
        assert mouth[1] + mouth[3] / 2 > (left[1] + right[1]) / 2


def test_boxes_hold_what_is_drawn_and_no_more() -> None:
    """Every kind of mouth and eye on white paper, to a pixel and a half."""
    for number, (_, draw_mouth) in enumerate(MOUTHS):
        sketch = begin(number)
        box = bound_parts(draw_mouth(sketch, Place(0.1, 0.2, 0.5)))
        require_match(sketch.image, box)
    for number, (_, draw_eye) in enumerate(EYES):
        sketch = begin(number)
        look = make_eye_look(Chance(number), (200, 150, 120))
        require_match(sketch.image, bound_parts(draw_eye(sketch, Place(-0.2, 0.1, 0.4), look)))


def begin(seed: int) -> Sketch:
    """A sketch on paper of a colour that nothing else has."""
    paper = Image.new("RGB", (SIDE, SIDE), (1, 254, 3))
    return Sketch(Chance(seed), paper, np.array([128.0, 128.0]), 100.0, 0.0, 2, (0, 0, 0))


def require_match(image: Image.Image, box: tuple[float, float, float, float]) -> None:
    """The box is that of all pixels that are not paper; an outline may stand out by half of its width."""
    rows, columns = np.nonzero((np.asarray(image) != (1, 254, 3)).any(-1))
    seen = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    told = box[0], box[1], box[0] + box[2], box[1] + box[3]
    assert np.abs(np.subtract(seen, told)).max() <= 4, (seen, told)
