"""The finder of drawn faces is trained, saved, and found again."""

import itertools
from pathlib import Path

import pytest
import torch

from model.pocket.cartoon_finder import CARTOON_FILE, PIXELS
from model.pocket.face_network import FaceNetwork
from model.pocket.training import train_cartoon_finder as train_module
from model.pocket.training.cartoon_network import CartoonNetwork
from model.pocket.training.cartoon_views import cut_views, draw_cartoons
from model.pocket.training.train_cartoon_finder import (
    FinderRecipe,
    find_loss,
    save_finder,
    train_finder,
)


def test_a_few_steps_teach_to_find(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In some ninety steps the loss on other views of the same pictures falls by a tenth at least; what is saved is what numpy reads."""
    clock = itertools.count()
    monkeypatch.setattr(train_module.time, "monotonic", lambda: 0.1 * next(clock))
    torch.manual_seed(0)
    network, pictures = CartoonNetwork(), draw_cartoons(range(8))
    views = cut_views(pictures, torch.Generator().manual_seed(9))
    before = float(find_loss(network(views.pixels), views).detach())
    recipe = FinderRecipe(0.15, batch=8, rate=1e-3, warm_up=5, ema=0.5)
    train_finder(network, pictures, recipe, torch.Generator().manual_seed(0))
    after = float(find_loss(network(views.pixels), views).detach())
    assert after < 0.9 * before
    save_finder(network, tmp_path)
    read = FaceNetwork.load(tmp_path / CARTOON_FILE)
    assert read.side == PIXELS
    heat, _, _ = read.apply(views.pixels[0].permute(1, 2, 0).numpy())
    told = network(views.pixels[:1]).heat[0].detach().permute(1, 2, 0).numpy()
    assert abs(heat - told).max() < 0.1
