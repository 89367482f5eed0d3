"""Lips are what the viseme head tells, and nothing else of a latent is touched."""

import torch

from model.avatar import Options
from model.motion_columns import MOTION
from model.pocket.model_traits import describe_model
from model.pocket.motion_curves import decode_curves
from model.pocket.viseme_head import LIPS, VisemeHead, find_lips, put_lips


def test_lips_are_put_and_all_else_stays() -> None:
    """The curves of lips are those told, to a thousandth; every other curve is what it was, to the bit."""
    latents, lips = 0.3 * torch.randn(2, 16, 3, 8, 8), torch.rand(2, 12, 3)
    made = put_lips(latents, lips)
    columns = [MOTION.index(name) for name in LIPS]
    others = [column for column in range(len(MOTION)) if column not in columns]
    told, was = decode_curves(made), decode_curves(latents)
    assert torch.allclose(told[..., columns], lips, atol=1e-3)
    assert torch.equal(told[..., others], was[..., others])
    assert torch.equal(put_lips(made, lips), made)


def test_lips_lie_in_twelve_channels_of_the_mouths_zone() -> None:
    """Three curves of four coefficients, on sixteen pixels."""
    where = find_lips(torch.device("cpu"))
    assert where.shape == (16, 1, 8, 8)
    assert int(where.sum()) == 12 * 16
    assert int(where.any(1).any(1).any(1).sum()) == 12


def test_the_traits_say_where_lips_lie() -> None:
    """Without torch: what a redub does not lead back to the old words."""
    where = torch.zeros(16, 12, 8, 8, dtype=torch.bool)
    heard = describe_model(Options()).heard_latents
    where[tuple(slice(each.start, each.stop) for each in heard)] = True
    assert torch.equal(where, find_lips(torch.device("cpu")).expand(-1, 12, -1, -1).bool())


def test_a_frame_hears_its_own_features_alone() -> None:
    """Features of one frame changed, the lips of that frame change and no others."""
    head, features = VisemeHead(), torch.randn(1, 3, 192, 8)
    changed = features.clone()
    changed[..., 5] += 1
    with torch.no_grad():
        apart = (head(features) - head(changed)).abs().sum((0, 2))
    assert (apart > 0).tolist() == [frame == 5 for frame in range(8)]
