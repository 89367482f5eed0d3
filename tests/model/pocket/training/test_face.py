"""Drawn presenters: what is seen follows what was asked."""

import torch

from model.pocket.training.face import (
    MOTION,
    draw_identities,
    mouth_box,
    neutral_motion,
    pixel_weights,
    render_faces,
)
from model.pocket.training.motion import draw_motion


def test_the_same_seed_draws_the_same_person() -> None:
    """Identities and motions are functions of their generator alone."""
    first, second = (draw_identities(3, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, second)
    moves = [draw_motion(3, 40, None, torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*moves)


def test_pictures_are_finite_and_in_range() -> None:
    """Whatever the identity, every pixel is a colour."""
    who = draw_identities(12, torch.Generator().manual_seed(6))
    motion = draw_motion(12, 2, torch.rand(12, 2, 3), torch.Generator().manual_seed(7))
    pictures = render_faces(who, motion, 64)
    assert pictures.shape == (12, 2, 3, 64, 64)
    assert torch.isfinite(pictures).all()
    assert float(pictures.min()) >= 0
    assert float(pictures.max()) <= 1


def test_a_window_is_a_part_of_the_whole() -> None:
    """A window holds the very pixels of the whole picture, but for its rim, which is softened alone."""
    who = draw_identities(1, torch.Generator().manual_seed(8))
    whole = render_faces(who, neutral_motion(1, 1), 64)[..., 20:60, 10:50]
    part = render_faces(who, neutral_motion(1, 1), 64, (10, 20, 50, 60))
    assert torch.allclose(part[..., 1:-1, 1:-1], whole[..., 1:-1, 1:-1], atol=1e-3)


def test_opening_the_mouth_changes_the_mouth_box_and_little_else() -> None:
    """What an aperture changes lies within the mouth's box, apart from the chin below."""
    who = draw_identities(6, torch.Generator().manual_seed(9))
    shut, wide = neutral_motion(6, 1), neutral_motion(6, 1)
    wide[..., MOTION.index("aperture")] = 1
    change = (render_faces(who, wide, 128) - render_faces(who, shut, 128)).abs().sum(2)[:, 0]
    for face, (cx, cy, half, high) in zip(change, mouth_box(who, wide)[:, 0].tolist(), strict=True):
        left, right = (int((cx + s * half + 1) * 64) for s in (-1, 1))
        top, bottom = (int((cy + s * high + 1) * 64) for s in (-1, 1))
        assert float(face[top:bottom, left:right].sum() / face.sum()) > 0.8


def test_the_mouth_and_the_eyes_weigh_more() -> None:
    """A loss sees the mouth and the eyes several times, and the corners once."""
    who = draw_identities(2, torch.Generator().manual_seed(10))
    weight = pixel_weights(who, neutral_motion(2, 1), 64)
    assert weight.shape == (2, 1, 1, 64, 64)
    assert float(weight.max()) > 5
    assert float(weight[..., 0, 0].max()) < 1.2


def test_blinks_come_thirteen_to_thirty_times_a_minute() -> None:
    """Lids fall wholly, and every two to four and a half seconds."""
    motion = draw_motion(8, 1500, None, torch.Generator().manual_seed(11))
    lids = motion[..., MOTION.index("blink")]
    falls = ((lids[:, 1:] > 0.5) & (lids[:, :-1] <= 0.5)).sum(1)
    assert int(falls.min()) >= 13
    assert int(falls.max()) <= 30
    assert float(lids.max()) > 0.95
