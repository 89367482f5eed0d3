"""Modules without numbers, in one thread and not in another."""

from threading import Barrier, Thread

import torch
from torch import nn

from model.s2v.config import S2VConfig
from model.s2v.transformer import S2VTransformer
from model.weights.empty_modules import empty_modules
from tests.model.small import SIZES


def test_a_module_has_shapes_and_no_numbers() -> None:
    """Each weight is there in the shape that it has elsewhere, and takes no memory; behind the context modules have numbers again."""
    with empty_modules():
        empty = S2VTransformer(S2VConfig(**SIZES))
    whole = S2VTransformer(S2VConfig(**SIZES))
    shapes = {name: held.shape for name, held in whole.state_dict().items()}
    assert {name: held.shape for name, held in empty.state_dict().items()} == shapes
    assert all(held.is_meta for held in empty.state_dict().values())
    assert not any(held.is_meta for held in whole.state_dict().values())


def test_another_thread_draws_its_own() -> None:
    """What another thread builds at the same time has its numbers."""
    inside, made = Barrier(2), list[nn.Linear]()

    def build() -> None:
        inside.wait()
        torch.manual_seed(0)
        made.append(nn.Linear(3, 3))
        inside.wait()

    thread = Thread(target=build)
    thread.start()
    with empty_modules():
        inside.wait()
        assert nn.Linear(3, 3).weight.is_meta
        inside.wait()
    thread.join()
    assert made[0].weight.std() > 0
