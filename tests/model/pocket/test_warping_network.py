"""The warping network tells frames apart by their curves, where boxes are, and moves pictures as its flow says."""

import numpy as np
import pytest
import torch

from model.motion_columns import MOTION
from model.pocket.curve_layout import RESTED
from model.pocket.warping_network import (
    BOXES,
    FLOW_PIXELS,
    MotionFields,
    WarpingNetwork,
    blend_frames,
    box_planes,
    doubt_rest,
    identity_grid,
    load_warping_network,
    modulate_channels,
    warp_picture,
)


@pytest.fixture(scope="module")
def network() -> WarpingNetwork:
    return load_warping_network()


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def test_a_frame_depends_on_no_other(network: WarpingNetwork) -> None:
    """Five frames at once or each by itself have the same fields; those of two pictures are grouped by picture."""
    seen = network.look(draw(2, 3, 64, 64).tanh(), draw(2, BOXES, 64, 64).sigmoid())
    curves = 0.05 * draw(2, 5, len(MOTION))
    whole = network.fields(seen, curves)
    alone = [network.fields(seen, curves[:, t : t + 1]) for t in range(5)]
    for name, at_once in zip(MotionFields._fields, whole, strict=True):
        one_by_one = torch.stack([getattr(fields, name) for fields in alone], 1).flatten(0, 1)
        assert torch.allclose(at_once, one_by_one, rtol=1e-3, atol=5e-3), name
    assert whole.flow.shape == (10, 2, 32, 32)
    assert whole.paint.shape == (10, 3, 64, 64)


@torch.inference_mode()
def test_a_picture_as_it_stands_is_left_as_it_is(network: WarpingNetwork) -> None:
    """Told the curves that it reads in the picture, the network moves and paints next to nothing."""
    from model.presenters.face import (
        draw_identities,
        eye_boxes,
        mouth_box,
        render_faces,
        rest_motion,
    )

    who = draw_identities(3, torch.Generator().manual_seed(11), plain=True)
    rest = rest_motion(who)
    picture = render_faces(who, rest)[:, 0] * 2 - 1
    boxes = torch.cat([mouth_box(who, rest)[:, :, None], eye_boxes(who, rest)], 2)[:, 0]
    seen = network.look(picture, box_planes(boxes, 256, 256))
    curves = torch.zeros(3, 1, len(MOTION))
    curves[:, 0, [MOTION.index(name) for name in RESTED]] = seen.rest
    made = blend_frames(picture, network.fields(seen, curves))
    assert (made - picture).abs().mean() < 0.01


def test_channels_are_scaled_and_shifted_frame_by_frame() -> None:
    """x · (1 + scale) + shift, however the numbers lie in memory."""
    x, scale, shift = draw(2, 5, 4, 6), draw(2, 5, seed=1), draw(2, 5, seed=2)
    wanted = x * (1 + scale[..., None, None]) + shift[..., None, None]
    for form in (torch.contiguous_format, torch.channels_last):
        made = modulate_channels(x.contiguous(memory_format=form), scale, shift)
        assert torch.allclose(made, wanted, atol=1e-5)


def test_a_plane_is_a_hill_on_its_box() -> None:
    """Highest at the centre, 0.6 at the middle of a side, next to nothing three half sizes away."""
    planes = box_planes(torch.tensor([[[0.5, -0.25, 0.2, 0.1]]]), 80, 80)[0, 0]
    y, x = np.unravel_index(int(planes.argmax()), planes.shape)
    assert (x, y) == (pytest.approx(59.5, abs=1), pytest.approx(29.5, abs=1))
    assert float(planes[30, 68]) == pytest.approx(0.6, abs=0.07)
    assert float(planes[30, 35]) < 0.02


def test_a_flow_says_where_a_pixel_comes_from() -> None:
    """A flow of 5/FLOW_PIXELS to the right shows what was five pixels to the right."""
    picture = draw(1, 3, 32, 32)
    flow = torch.zeros(1, 2, 16, 16)
    flow[:, 0] = 5 / FLOW_PIXELS
    moved = warp_picture(picture, flow, (32, 32))
    assert torch.allclose(moved[..., :, :26], picture[..., :, 5:31], atol=1e-4)
    assert torch.allclose(identity_grid(2, 4, "cpu")[0, :, 0], torch.tensor([-0.75, -0.25, 0.25, 0.75]))  # fmt: skip


def test_paint_lies_only_where_the_mask_is() -> None:
    """Two pictures of two frames each: the frames are grouped by picture, and masked halves are paint."""
    pictures = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
    mask = torch.zeros(4, 1, 8, 8)
    mask[..., 4:] = 1
    fields = MotionFields(torch.zeros(4, 2, 4, 4), torch.full((4, 3, 8, 8), -1.0), mask)
    made = blend_frames(pictures, fields)
    assert made[:2, :, :, :4].abs().max() < 1e-6
    assert torch.allclose(made[2:, :, :, :4], torch.ones(()))
    assert (made[..., 4:] == -1).all()


def test_a_reading_that_no_face_can_have_is_doubted(network: WarpingNetwork) -> None:
    """Lids shut twice over are taken for open ones and a mouth of width 9 for a usual one, in films; what a face can do stays, and training sees what is read."""
    read = torch.tensor([[1.91, 0.4, -1.5, 0.9, 9.0, -0.2], [1.1, 0.0, 0.0, 0.0, 0.3, 1.0]])
    told = doubt_rest(read)
    assert told[0].tolist() == pytest.approx([0.0, 0.4, -1.5, 0.9, 0.5, -0.2])
    assert torch.equal(told[1], read[1])
    picture, planes = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        network.rest[2].bias[0] += 100
        seen = network.look(picture, planes).rest
        raw = network.train().look(picture, planes).rest
        network.eval().rest[2].bias[0] -= 100
    assert float(seen[0, 0]) == 0
    assert float(raw[0, 0]) > 50
