"""The motion autoencoder streams, tells where boxes are, and moves pictures as its flow says."""

import numpy as np
import pytest
import torch

from model.pocket.motion_autoencoder import (
    BOXES,
    CACHED_LATENTS,
    FLOW_PIXELS,
    FRAMES,
    FeatureCache,
    MotionAutoencoder,
    MotionFields,
    blend_frames,
    box_planes,
    identity_grid,
    load_motion_autoencoder,
    warp_picture,
)


@pytest.fixture(scope="module")
def autoencoder() -> MotionAutoencoder:
    return load_motion_autoencoder()


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def test_fields_do_not_depend_on_how_latents_were_cut(autoencoder: MotionAutoencoder) -> None:
    """Five latents at once, one after the other, and the last after CACHED_LATENTS others give the same fields; one latent of warm-up less gives others."""
    seen = autoencoder.look(draw(1, 3, 64, 64), draw(1, BOXES, 64, 64))
    latents = draw(1, 16, 5, 4, 4)
    whole = autoencoder.fields(seen, latents, FeatureCache())
    past = FeatureCache()
    parts = [autoencoder.fields(seen, one, past) for one in latents.split(1, 2)]
    for at_once, one_by_one in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.allclose(at_once, torch.cat(one_by_one), atol=1e-4)
    for warm, same in ((CACHED_LATENTS, True), (CACHED_LATENTS - 1, False)):
        late = autoencoder.fields(seen, latents[:, :, 4 - warm :], FeatureCache())
        assert torch.allclose(late.flow[-FRAMES:], whole.flow[-FRAMES:], atol=1e-4) == same


@torch.inference_mode()
def test_latents_are_normalised(autoencoder: MotionAutoencoder) -> None:
    """Of a presenter who moves, about zero mean and unit spread; four frames are one latent, encoded by themselves."""
    frames, picture = draw(1, 3, 8, 64, 64).clamp(-1, 1), draw(1, 3, 64, 64).clamp(-1, 1)
    planes = torch.zeros(1, BOXES, 64, 64)
    both = autoencoder.encode(picture, planes, frames)
    assert both.shape == (1, 16, 2, 4, 4)
    second = autoencoder.encode(picture, planes, frames[:, :, FRAMES:])
    assert torch.allclose(both[:, :, 1:], second, atol=1e-4)


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
