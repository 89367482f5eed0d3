"""Latents tell motion curves, and nothing of a picture."""

import pytest
import torch

from model.motion_columns import MOTION
from model.pocket.curve_layout import (
    CHANNELS,
    CURVES,
    FRAMES,
    LAYOUT,
    RESTED,
    RESTED_COLUMNS,
    SIDE,
)
from model.pocket.motion_curves import (
    BEFORE_TEETH,
    SLOW,
    cosines,
    decode_curves,
    encode_curves,
    join_spans,
    limit_mouth,
    list_slots,
    read_curves,
    read_differences,
    stand_still,
    zone_map,
)
from model.pocket.training.motion import draw_acts, draw_motion

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def motion() -> torch.Tensor:
    """Of many who act and speak."""
    chance = torch.Generator().manual_seed(0)
    speech = torch.rand(64, 48, 3, generator=chance)
    return draw_motion(64, 48, speech, chance, draw_acts(64, chance))


def test_curves_come_back(motion: torch.Tensor) -> None:
    """The mouth's, the head's and the lids' exactly; eyes and brows but for what is quicker than they move."""
    back = decode_curves(encode_curves(motion))
    apart = (back - motion).abs().amax((0, 1))
    exact = [MOTION.index(name) for zone in LAYOUT for name, kept in zone.items() if kept == FRAMES]
    assert apart[exact].max() < 1e-5
    assert apart.max() < 0.03


def test_latents_are_about_zero_and_one(motion: torch.Tensor) -> None:
    """The first coefficient of each curve in training's motions."""
    latents = encode_curves(motion)
    first = latents[:, [0, 4, 8, 12]][..., 0, 0]
    assert first.mean((0, 2)).abs().max() < 0.35
    assert 0.7 < first.std((0, 2)).min() < first.std((0, 2)).max() < 1.4


def test_errors_of_single_pixels_are_averaged_away() -> None:
    """Noise on every pixel of the mouth is read a quarter as large as it is."""
    quiet = encode_curves(torch.zeros(256, FRAMES, len(MOTION)))
    noise = torch.randn(quiet.shape, generator=torch.Generator().manual_seed(0))
    wrong = (read_curves(quiet + noise) - read_curves(quiet))[..., MOTION.index("aperture")]
    spread = torch.tensor(CURVES["aperture"].spread)
    assert float(wrong.std()) == pytest.approx(float(spread.square().mean().sqrt()) / 4, rel=0.1)
    assert torch.allclose(read_differences(noise)[..., -3], wrong, atol=1e-5)


def test_a_face_does_what_a_face_can() -> None:
    """Whatever latents come to, lids are between open and shut and a mouth opens no further than it opens; no number is a fault of its own."""
    curves = decode_curves(1e6 * torch.randn(8, CHANNELS, 2, SIDE, SIDE))
    for name in ("blink", "aperture", "width", "rounding"):
        column = curves[..., MOTION.index(name)]
        assert 0 <= float(column.min()) <= float(column.max()) <= 1


def test_films_and_training_share_tables() -> None:
    """Tables that a film made first, in inference mode, serve gradients."""
    for table in (list_slots, zone_map, cosines):
        table.cache_clear()
    with torch.inference_mode():
        encode_curves(torch.zeros(1, FRAMES, len(MOTION)))
    latents = torch.zeros(1, CHANNELS, 1, SIDE, SIDE, requires_grad=True)
    read_curves(latents).square().sum().backward()
    assert latents.grad is not None
    assert latents.grad.count_nonzero() > 0


def test_a_still_says_what_the_picture_is() -> None:
    """Its RESTED columns throughout, and no difference in the others."""
    rest = torch.tensor([[0.1, -0.2, 0.3, 0.4, 0.6, 0.2]])
    curves = decode_curves(stand_still(rest))[0]
    for column, name in enumerate(MOTION):
        told = rest[0, RESTED.index(name)] if name in RESTED else 0.0
        assert torch.allclose(curves[:, column], torch.as_tensor(told).expand(FRAMES), atol=1e-5)


def test_a_head_goes_on_where_it_was_and_a_mouth_does_not_wait() -> None:
    """A step between two latents is spread over the second where a curve is slow, and stays where it is quick; what comes after is told by the second alone."""
    before = encode_curves(torch.zeros(1, FRAMES, len(MOTION)))
    stepped = torch.zeros(1, 2 * FRAMES, len(MOTION))
    stepped[..., MOTION.index("dx")], stepped[..., MOTION.index("aperture")] = 0.1, 0.8
    made = join_spans(before, encode_curves(stepped))[0]
    head, mouth = made[:, MOTION.index("dx")], made[:, MOTION.index("aperture")]
    assert head[:FRAMES].tolist() == pytest.approx([0.0, 0.04, 0.075, 0.1], abs=1e-5)
    assert torch.allclose(head[FRAMES:], torch.tensor(0.1), atol=1e-5)
    assert torch.allclose(mouth, torch.tensor(0.8), atol=1e-5)
    assert {"dx", "smile"} < set(SLOW)
    assert not {"aperture", "blink", "width"} & set(SLOW)


def test_spans_are_joined_alike_however_they_come(motion: torch.Tensor) -> None:
    """All at once or one after the other, each with the one before it: to the bit."""
    latents = encode_curves(motion[:2])
    before = encode_curves(motion[2:4, :FRAMES])
    whole = join_spans(before, latents)
    parts = [
        join_spans(last, new)
        for last, new in zip([before, *latents.split(1, 2)][:-1], latents.split(1, 2), strict=True)
    ]
    assert torch.equal(torch.cat(parts, 1), whole)


def test_a_mouth_that_shows_teeth_goes_less_far(motion: torch.Tensor) -> None:
    """It narrows and rounds so much less from where it is in the picture, opens and shuts as before, and nothing else is another; without teeth, nothing at all."""
    own = torch.tensor([[0.0, 0.1, 0.1, 0.3, 0.6, 0.05]]).expand(len(motion), -1)
    assert limit_mouth(motion, own, 0.0) is motion
    still = motion.clone()
    still[..., list(RESTED_COLUMNS)] = own[:, None]
    assert torch.equal(limit_mouth(still, own, 1.0), still)
    limited = limit_mouth(motion, own, 1.0)
    for column, name in enumerate(MOTION):
        was, now = motion[..., column], limited[..., column]
        if name not in BEFORE_TEETH:
            assert torch.equal(was, now)
            continue
        rested = own[:, None, RESTED.index(name)]
        assert torch.allclose(now - rested, BEFORE_TEETH[name] * (was - rested), atol=1e-6)
