"""How presenters move: what is asked of them is what a motion holds."""

import pytest
import torch

from model.motion_columns import MOTION
from model.pocket.acts import ACTS
from model.pocket.training.motion import draw_acts, draw_motion, measure_acts
from model.presenters.face import draw_identities, neutral_motion, render_faces

SIGNED = ("energy", "gaze_x", "gaze_y")


def measure_act(name: str, strength: float) -> torch.Tensor:
    acts = torch.zeros(32, len(ACTS))
    acts[:, ACTS.index(name)] = strength
    return measure_acts(draw_motion(32, 200, None, torch.Generator().manual_seed(1), acts))


@pytest.mark.parametrize("name", ACTS)
def test_an_act_is_measured_in_its_motion_and_calm_is_not(name: str) -> None:
    """Played to the full it reads about 1, half of it about half, and calm about 0."""
    calm, half, full = (measure_act(name, share)[:, ACTS.index(name)] for share in (0.0, 0.5, 1.0))
    assert abs(float(calm.mean())) < 0.15
    assert 0.3 < float(half.mean()) < 0.7
    assert 0.7 < float(full.mean()) < 1.2
    # Of everyone, not on average: energy alone differs much from one to the next.
    assert float(full.min()) > (0.1 if name == "energy" else 0.6)


@pytest.mark.parametrize("name", SIGNED)
def test_signed_acts_go_both_ways(name: str) -> None:
    """Less than calm reads less."""
    assert float(measure_act(name, -1)[:, ACTS.index(name)].mean()) < -0.7


def test_without_acts_the_presenter_is_calm() -> None:
    """No acts are the acts that are all zero, and the face stays nearly neutral."""
    calm = draw_motion(16, 200, None, torch.Generator().manual_seed(2))
    zero = torch.zeros(16, len(ACTS))
    assert torch.equal(calm, draw_motion(16, 200, None, torch.Generator().manual_seed(2), zero))
    smile = calm[..., MOTION.index("smile")]
    assert 0.02 < float(smile.std()) < 0.2
    assert float(smile.abs().max()) < 0.5


def test_expressions_and_mouths_of_speech_do_not_touch() -> None:
    """Acts leave the three curves of speech as they are."""
    curves = torch.rand(4, 60, 3, generator=torch.Generator().manual_seed(3))
    acts = torch.ones(4, len(ACTS))
    motion = draw_motion(4, 60, curves, torch.Generator().manual_seed(4), acts)
    assert torch.equal(motion[..., -3:], curves)
    assert float(motion[..., 4:11].abs().max()) <= 1.3


def test_a_third_of_the_acts_to_learn_from_is_calm() -> None:
    """The others have one or two, no face two expressions, every act both weak and strong."""
    acts = draw_acts(4000, torch.Generator().manual_seed(5))
    assert 0.32 < float((acts == 0).all(1).float().mean()) < 0.38
    assert int((acts[:, :4] != 0).sum(1).max()) == 1
    assert int((acts[:, -2:] != 0).sum(1).max()) == 1
    assert float((acts != 0).float().mean(0).min()) > 0.06
    for index, name in enumerate(ACTS):
        played = acts[acts[:, index] != 0, index]
        assert 0.4 <= float(played.abs().min()) < 0.5
        assert 0.9 < float(played.abs().max()) <= 1
        assert (float(played.min()) < 0) == (name in SIGNED)


@pytest.mark.parametrize("column", ["squint", "brow", "brow_slant", "smile"])
def test_every_column_of_expression_is_seen(column: str) -> None:
    """Both ends of it change every face, and differently."""
    who = draw_identities(6, torch.Generator().manual_seed(6), plain=True)
    motion = neutral_motion(6, 3)
    motion[:, 1, MOTION.index(column)], motion[:, 2, MOTION.index(column)] = -1, 1
    still, low, high = render_faces(who, motion, 96).unbind(1)
    for one, other in ((still, low), (still, high), (low, high)):
        assert float((one - other).abs().amax((1, 2, 3)).min()) > 0.05
