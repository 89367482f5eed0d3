"""What numpy runs is what was trained."""

from dataclasses import replace

import numpy as np
import torch
from einops import rearrange

from model.pocket.cartoon_finder import PIXELS
from model.pocket.cartoon_finder import read_edges as read_exported
from model.pocket.training.cartoon_network import CartoonNetwork, export_network, read_edges


def test_the_exported_network_gives_what_torch_gives() -> None:
    """Heat, edges and presence of a random network, and the edges that are read out of them."""
    torch.manual_seed(0)
    network = CartoonNetwork().eval()
    exported, weights = export_network(network)
    exported = replace(exported, weights={name: weight.numpy() for name, weight in weights.items()})
    view = torch.rand(1, 3, PIXELS, PIXELS) * 2 - 1
    with torch.inference_mode():
        told = network(view)
        edges = read_edges(told)[0].numpy()
    heat, sizes, presence = exported.apply(view[0].permute(1, 2, 0).numpy())
    assert np.allclose(heat, rearrange(told.heat[0], "c y x -> y x c").numpy(), atol=1e-4)
    assert np.allclose(sizes, rearrange(told.edges[0], "c y x -> y x c").numpy(), atol=1e-4)
    assert np.isclose(presence.max(), float(told.presence[0]), atol=1e-4)
    assert np.allclose(read_exported(heat, sizes), edges, atol=1e-4)
