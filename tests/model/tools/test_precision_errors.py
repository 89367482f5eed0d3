"""What every precision is compared by is drawn alike for all of them."""

from typing import Any

import pytest
import torch
from torch import Tensor

from model.kv.kv_cache import KVCache, KVCacheConfig
from model.kv.kv_shape import KVShape, Shard
from model.tools import precision_errors

CARD = torch.device("cuda", 7)


def test_a_cache_on_the_host_has_the_card_s_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card's generator gives others than a host's: float32, whose cache waits on the host, was compared with bfloat16 of other keys."""
    drawn: list[tuple[Any, int]] = []
    draw = precision_errors.draw_normal

    def note(*shape: int, seed: int, device: torch.device | str = "cpu") -> Tensor:
        drawn.append((device, seed))
        return draw(*shape, seed=seed)

    monkeypatch.setattr(precision_errors, "draw_normal", note)
    shape = KVShape(batch=1, heads=2, head_dim=8, condition=3, latents=3, block=1, tokens=4)
    like = torch.zeros(1)
    here, there = (
        KVCache(shape, like, Shard(range(2), range(3)), KVCacheConfig(on_host=on_host))
        for on_host in (False, True)
    )
    for cache in (here, there):
        precision_errors.fill_cache(cache, CARD)
    assert {device for device, _ in drawn} == {CARD}
    assert len({seed for _, seed in drawn}) == 2 * 3 * 2
    assert torch.equal(here.slots, there.slots)
    assert here.slots.any(-1).all()


def test_what_is_too_far_is_named() -> None:
    """bfloat16 by the published rounding where that is farther than a hundredth, eight bits by a twentieth; at its farthest."""
    rows = {way.name: [1e-3, 2e-3] for way in precision_errors.WAYS}
    assert precision_errors.find_misses(rows) == []
    rows["bf16, tokens as published"] = [1e-3, 1.5e-2]
    rows["bf16"] = [1.4e-2, 1e-3]
    rows["fp8"] = [4.9e-2, 5.1e-2]
    assert precision_errors.find_misses(rows) == ["fp8: 5.10e-02 > 5.00e-02"]
    rows["bf16"] = [1e-3, 1.6e-2]
    misses = precision_errors.find_misses(rows)
    assert misses[0] == "bf16: 1.60e-02 > 1.50e-02"
    assert len(misses) == 2
