"""Teeth are seen where a picture shows them between its lips, and nowhere else."""

import numpy as np
import pytest
import torch

from model.motion_columns import MOTION
from model.pocket.bared_teeth import measure_teeth
from model.pocket.face_boxes import FaceBoxes
from model.presenters.face import (
    draw_identities,
    eye_boxes,
    mouth_box,
    neutral_motion,
    render_faces,
)
from model.presenters.identity import LAYOUT

SIZE = 256
SEEDS = range(700_000, 700_012)
"""Of presenters that nobody was trained on."""


def see_teeth(seed: int, grin: float = 0.0, **expression: float) -> float:
    """What is measured in the picture of a plain presenter with this expression, whose smile is as lifelike."""
    who = draw_identities(1, torch.Generator().manual_seed(seed), plain=True)
    who[:, sum(list(LAYOUT.values())[: list(LAYOUT).index("grin")])] = grin
    rest = neutral_motion(1, 1)
    for name, value in expression.items():
        rest[..., MOTION.index(name)] = value
    picture = render_faces(who, rest, SIZE)[0, 0].permute(1, 2, 0)
    middle_and_half = [mouth_box(who, rest)[0, 0], *eye_boxes(who, rest)[0, 0]]
    boxes = [
        ((x - wide + 1) * SIZE / 2, (y - high + 1) * SIZE / 2, wide * SIZE, high * SIZE)
        for x, y, wide, high in (box.tolist() for box in middle_and_half)
    ]
    return measure_teeth((picture * 255).round().byte().numpy(), FaceBoxes(*boxes))


def test_a_shut_mouth_shows_no_teeth() -> None:
    """Neutral, thick lips or thin: 0 for all, so that nothing of their films is another; smiling, hardly any."""
    assert [see_teeth(seed) for seed in SEEDS] == [0.0] * len(SEEDS)
    assert max(see_teeth(seed, smile=0.8) for seed in SEEDS) < 0.3


def test_a_smile_with_parted_lips_shows_teeth() -> None:
    """Of most presenters, beyond doubt."""
    seen = [see_teeth(seed, 1.0, smile=0.5, aperture=0.3, width=0.7) for seed in SEEDS]
    assert np.median(seen) > 0.5


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_picture_without_a_face_shows_none(shade: int) -> None:
    """Whatever its boxes are told to be."""
    picture = np.full((96, 64, 3), shade, np.uint8)
    assert measure_teeth(picture, FaceBoxes((20, 60, 16, 8), (14, 30, 8, 6), (36, 30, 8, 6))) == 0
