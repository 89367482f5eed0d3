"""What the transformer is told of a picture and a prompt."""

import torch

from model.pocket.acts import ACTS
from model.pocket.conditions import PLANES, ReferenceEncoder, make_planes
from model.pocket.model_traits import TRANSFORMER


def test_planes_are_boxes_and_acts_at_every_latent() -> None:
    """Three hills where the boxes are, then each act everywhere; what the transformer's pose encoder reads."""
    boxes = torch.tensor([[[0.0, 0.5, 0.2, 0.1], [-0.4, -0.3, 0.1, 0.1], [0.4, -0.3, 0.1, 0.1]]])
    acts = torch.zeros(1, len(ACTS))
    acts[0, ACTS.index("nod")] = 0.7
    planes = make_planes(boxes, acts, 5, 16, 16)
    assert planes.shape == (1, PLANES, 5, 16, 16)
    assert TRANSFORMER.cond_dim == PLANES
    assert (planes == planes[:, :, :1]).all()
    peaks = [divmod(int(plane.argmax()), 16) for plane in planes[0, :3, 0]]
    assert [y for y, _ in peaks] == [11, 5, 5]
    assert [x < 8 for _, x in peaks[1:]] == [True, False]
    asked = planes[0, 3:, 0]
    assert (asked[ACTS.index("nod")] == 0.7).all()
    assert asked.count_nonzero() == 256


def test_a_reference_is_one_latent_of_the_picture() -> None:
    """A sixteenth as large each way, and another for other boxes."""
    torch.manual_seed(0)
    encoder, picture = ReferenceEncoder(), torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        encoder.layers[-1].weight.normal_()
    one = encoder(picture, torch.zeros(2, 3, 64, 96))
    assert one.shape == (2, 16, 1, 4, 6)
    assert not torch.equal(one, encoder(picture, torch.ones(2, 3, 64, 96)))
