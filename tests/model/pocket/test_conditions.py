"""What the transformer is told of zones and of a prompt."""

import torch

from model.pocket.acts import ACTS
from model.pocket.conditions import PLANES, make_planes
from model.pocket.model_traits import TRANSFORMER
from model.pocket.motion_curves import zone_map


def test_planes_are_zones_and_acts_at_every_latent() -> None:
    """One plane for each zone, then each act everywhere; what the transformer's pose encoder reads."""
    acts = torch.zeros(1, len(ACTS))
    acts[0, ACTS.index("nod")] = 0.7
    planes = make_planes(acts, 5)
    assert planes.shape == (1, PLANES, 5, 8, 8)
    assert TRANSFORMER.cond_dim == PLANES
    assert (planes == planes[:, :, :1]).all()
    assert torch.equal(planes[0, :3, 0].argmax(0), zone_map(acts.device))
    assert (planes[:, :3].sum(1) == 1).all()
    asked = planes[0, 3:, 0]
    assert (asked[ACTS.index("nod")] == 0.7).all()
    assert asked.count_nonzero() == 64
