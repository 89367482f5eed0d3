"""Drawn presenters: what is seen follows what was asked."""

import torch

from model.motion_columns import MOTION
from model.pocket.training.motion import draw_motion
from model.presenters.face import (
    draw_identities,
    eye_boxes,
    mouth_box,
    neutral_motion,
    pixel_weights,
    render_faces,
    rest_motion,
)
from model.presenters.identity import LAYOUT


def test_the_same_seed_draws_the_same_person() -> None:
    """Identities and motions are functions of their generator alone."""
    first, second = (draw_identities(3, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(*(render_faces(who, rest_motion(who), 48) for who in (first, second)))
    moves = [draw_motion(3, 40, None, torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*moves)


def test_pictures_are_finite_and_in_range() -> None:
    """Whatever the identity, every pixel is a colour."""
    who = draw_identities(64, torch.Generator().manual_seed(6))
    motion = draw_motion(64, 2, torch.rand(64, 2, 3), torch.Generator().manual_seed(7))
    pictures = render_faces(who, motion, 64)
    assert pictures.shape == (64, 2, 3, 64, 64)
    assert torch.isfinite(pictures).all()
    assert float(pictures.min()) >= 0
    assert float(pictures.max()) <= 1


def test_a_window_is_a_part_of_the_whole() -> None:
    """A window holds the very pixels of the whole picture, but for its rim, which is softened alone."""
    who = draw_identities(1, torch.Generator().manual_seed(8))
    whole = render_faces(who, neutral_motion(1, 1), 64)[..., 20:60, 10:50]
    part = render_faces(who, neutral_motion(1, 1), 64, (10, 20, 50, 60))
    assert torch.allclose(part[..., 1:-1, 1:-1], whole[..., 1:-1, 1:-1], atol=1e-3)


def inside_share(change: torch.Tensor, boxes: torch.Tensor, margin: float) -> torch.Tensor:
    """How much [n] of a change [n, y, x] lies within the boxes [n, k, 4]."""
    size = change.shape[-1]
    line = (torch.arange(size) + 0.5) * 2 / size - 1
    cx, cy, wide, high = boxes[..., None, None].unbind(2)
    within = ((line - cx).abs() < wide + margin) & ((line[:, None] - cy).abs() < high + margin)
    return (change * within.any(1)).sum((1, 2)) / change.sum((1, 2))


def change_of(who: torch.Tensor, motion: torch.Tensor) -> torch.Tensor:
    """How much each pixel [n, y, x] of the first frame changes in the second."""
    return render_faces(who, motion, 96).diff(dim=1).abs().sum(2)[:, 0]


def test_opening_the_mouth_changes_the_mouth_box_and_little_else() -> None:
    """Whoever it is, what an aperture changes lies within the box of the open mouth; a chin that goes down too is held still."""
    who = draw_identities(64, torch.Generator().manual_seed(9))
    who[:, sum(list(LAYOUT.values())[: list(LAYOUT).index("drop")])] = 0
    motion = neutral_motion(64, 2)
    motion[:, 1, MOTION.index("aperture")] = 0.7
    change = change_of(who, motion)
    assert float(change.amax((1, 2)).min()) > 0.3
    share = inside_share(change, mouth_box(who, motion)[:, 1:], 0.03)
    assert float(share.min()) > 0.8


def test_a_blink_changes_the_eye_boxes_and_nothing_else() -> None:
    """Whoever it is, both eyes shut where their boxes are; dark glasses alone hide it."""
    who = draw_identities(64, torch.Generator().manual_seed(9))
    motion = neutral_motion(64, 2)
    motion[:, 1, MOTION.index("blink")] = 1
    change = change_of(who, motion)
    seen = change.amax((1, 2)) > 0.2
    assert int(seen.sum()) >= 60
    share = inside_share(change, eye_boxes(who, motion)[:, 0], 0.03)[seen]
    assert float(share.min()) > 0.9
    for side in (0, 1):
        assert (
            float(
                inside_share(change, eye_boxes(who, motion)[:, 0, side : side + 1], 0.03)[
                    seen
                ].min()
            )
            > 0.2
        )


def test_boxes_are_tight_and_go_with_the_head() -> None:
    """A box is no larger than what a blink or lips change, and stays on it in any pose."""
    who = draw_identities(32, torch.Generator().manual_seed(10))
    motion = draw_motion(32, 1, None, torch.Generator().manual_seed(11)).expand(-1, 2, -1).clone()
    motion[..., MOTION.index("blink")] = torch.tensor([0.0, 1.0])
    change = change_of(who, motion)
    seen = change.amax((1, 2)) > 0.2
    boxes = eye_boxes(who, motion)[:, 0]
    assert float(inside_share(change, boxes, 0.03)[seen].min()) > 0.9
    smaller = boxes * torch.tensor([1.0, 1.0, 0.5, 0.5])
    assert float(inside_share(change, smaller, 0.0)[seen].max()) < 0.8


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


def smile_lifelike(who: torch.Tensor, *grin: float) -> torch.Tensor:
    """The same presenters, all of whom have these numbers of `grin`."""
    at = sum(list(LAYOUT.values())[: list(LAYOUT).index("grin")])
    changed = who.clone()
    changed[:, at : at + len(grin)] = torch.tensor(grin)
    return changed


def smile_broadly(n: int) -> torch.Tensor:
    """A broad smile with teeth, and the same mouth pursed [n, 2, M]."""
    motion = neutral_motion(n, 2)
    for name, shown, pursed in (
        ("smile", 1.0, 1.0), ("aperture", 0.3, 0.3), ("width", 1.0, 0.0), ("rounding", 0.0, 1.0),
    ):  # fmt: skip
        motion[..., MOTION.index(name)] = torch.tensor([shown, pursed])
    return motion


def test_a_lifelike_smile_is_broad_and_gives_way_to_a_round_mouth() -> None:
    """It is wider than a drawn one, and pursed narrower: corners go in, as on people."""
    who = draw_identities(32, torch.Generator().manual_seed(12))
    people, drawn = (smile_lifelike(who, grin) for grin in (1.0, 0.0))
    broad, narrow = (mouth_box(each, smile_broadly(32))[..., 2] for each in (people, drawn))
    assert (broad[:, 0] > narrow[:, 0]).all()
    assert (broad[:, 1] / broad[:, 0] < narrow[:, 1] / narrow[:, 0]).all()


def test_creases_beside_a_smile_go_as_the_mouth_is_pursed() -> None:
    """Lines, dimples and cheeks are there in a broad smile, and nothing of them beside a round mouth."""
    who = draw_identities(16, torch.Generator().manual_seed(13))
    creased, smooth = (
        render_faces(smile_lifelike(who, 1.0, 0.08, *creases), smile_broadly(16), 96)
        for creases in ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    )
    change = (creased - smooth).abs().amax((2, 3, 4))
    assert float(change[:, 0].min()) > 0.02
    assert float(change[:, 1].max()) < 0.02


def test_teeth_of_people_are_of_one_height() -> None:
    """Of a drawn mouth the more teeth are seen the wider it opens; on people they hang from the skull, and a dark mouth comes below them."""
    who = draw_identities(8, torch.Generator().manual_seed(4), plain=True)
    motion = neutral_motion(8, 2)
    motion[..., MOTION.index("smile")] = 1
    motion[..., MOTION.index("aperture")] = torch.tensor([0.5, 1.0])
    line = (torch.arange(128) + 0.5) / 64 - 1
    cx, cy, wide, high = mouth_box(who, motion)[..., None, None].unbind(2)
    within = ((line - cx).abs() < 0.8 * wide) & ((line[:, None] - cy).abs() < high)
    people, drawn = (
        ((render_faces(smile_lifelike(who, grin, 0.06), motion, 128).amin(2) > 0.7) & within)
        .sum((0, 2, 3))
        .tolist()
        for grin in (1.0, 0.0)
    )
    assert drawn[1] > 1.6 * drawn[0] > 0
    assert 0 < people[1] < 1.35 * people[0]
