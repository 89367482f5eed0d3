"""model/presenters/avatars.py: presenters that sit for a picture."""

import numpy as np
import pytest
import torch

from model.motion_columns import MOTION
from model.presenters.avatars import STYLES, draw_avatar, draw_sitter
from model.presenters.face import mouth_box, rest_motion
from model.presenters.identity import Look

SEEDS = 8


@pytest.fixture(scope="module")
def sitters() -> torch.Tensor:
    return torch.cat([draw_sitter(seed, style) for style in STYLES for seed in range(SEEDS)])


def test_the_whole_head_is_in_the_picture_and_the_face_is_half_as_high(sitters: torch.Tensor):
    look = Look(sitters)
    size, (_, down) = look.number("size"), look.numbers("centre")
    top, bottom = look.number("head_top"), look.number("head_bottom")
    hat, _, high, brim, _ = look.numbers("hat")
    above = torch.maximum(top, hat * high)
    assert float((down - size * above).min()) > -0.94
    assert float((down + size * bottom).max()) < 0.75
    assert float((size * (look.number("head_width") + hat * brim)).max()) < 0.75
    share = size * (top + bottom) / 2
    assert float(share.min()) > 0.35
    assert float(share.max()) < 0.55
    assert float(share.median()) > 0.45


def test_mouths_are_shut_and_friendly_and_heads_upright(sitters: torch.Tensor):
    rest = rest_motion(sitters)
    assert float(rest[..., MOTION.index("aperture")].max()) == 0
    assert float(rest[..., MOTION.index("smile")].min()) >= 0.1
    assert float(Look(sitters).number("tilt").abs().max()) <= 0.05
    lips, bottom = mouth_box(sitters, rest)[:, 0], Look(sitters).number("head_bottom")[:, 0, 0, 0]
    size, down = Look(sitters).number("size")[:, 0, 0, 0], Look(sitters).number("centre", 1)
    assert bool((lips[:, 1] + lips[:, 3] < down[:, 0, 0, 0] + size * bottom).all())


@pytest.mark.parametrize("style", STYLES)
def test_the_same_seed_is_the_same_person_at_every_size(style: str):
    """The places of mouth and eyes go with the size, and so does each pixel."""
    small, large = draw_avatar(3, style, 64), draw_avatar(3, style, 128)
    assert np.array_equal(small.pixels, draw_avatar(3, style, 64).pixels)
    reduced = large.pixels.reshape(64, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(reduced - small.pixels).mean() < 4
    assert np.allclose(np.array(large.places), 2 * np.array(small.places))


def test_outlines_are_as_sharp_at_every_size():
    """The steepest edges do not grow softer with the picture."""
    steepest = [
        np.quantile(np.abs(np.diff(draw_avatar(3, "outlined", size).pixels.astype(int), axis=1)).max((1, 2)), 0.5)
        for size in (208, 312)
    ]  # fmt: skip
    assert steepest[1] > 0.8 * steepest[0]
