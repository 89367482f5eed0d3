"""Cached bytes by heads: what ranks with a share of the heads have is what one process has, cut."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.kv.head_pieces import join_heads, split_heads
from model.kv.kv_cache import KVCache, KVCacheConfig
from model.kv.kv_shape import KVShape, Shard
from model.kv.kv_window import BlockPosition
from tests.model.small import draw

SHAPE = KVShape(batch=1, heads=4, head_dim=16, condition=5, latents=6, block=2, tokens=3)
FACTORS = BlockPosition(
    0, torch.ones(SHAPE.own, SHAPE.head_dim // 2, 2), torch.ones(SHAPE.condition, 8, 2)
)


def fill(heads: slice, *, eight: bool) -> KVCache:
    """A cache of these heads, behind two blocks."""
    shape = replace(SHAPE, heads=heads.stop - heads.start)
    one = Shard(range(1), range(1))
    cache = KVCache(shape, torch.zeros(1), one, KVCacheConfig(eight))
    condition = draw(2, 1, SHAPE.condition, SHAPE.heads, SHAPE.head_dim, seed=1)
    cache.keep_condition(*condition[..., heads, :])
    for block in range(2):
        qkv = draw(3, 1, SHAPE.own, SHAPE.heads, SHAPE.head_dim, seed=2 + block)
        q, k, v = qkv[..., heads, :]
        cache.begin([(0, 0)])
        cache.attend(0, 0, replace(FACTORS, start=block * SHAPE.block), (q, k, v))
    return cache


@pytest.mark.parametrize("eight", [False, True])
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_ranks_have_what_one_has(parts: int, eight: bool) -> None:
    """To the byte, in the layers' precision and in eight bits: cut for each, and joined again."""
    whole = fill(slice(0, SHAPE.heads), eight=eight).copy_piece(0, 0)
    each = SHAPE.heads // parts
    caches = [fill(slice(i * each, (i + 1) * each), eight=eight) for i in range(parts)]
    pieces = [cache.copy_piece(0, 0) for cache in caches]
    layout = caches[0].layout
    for cut, held in zip(split_heads(whole, layout, parts), pieces, strict=True):
        assert np.array_equal(cut, held)
    assert np.array_equal(join_heads(pieces, layout), whole)
    assert whole.any()
