"""The KV cache against attention over a list of all blocks, of which the last few are seen."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from model.kv.kv_cache import KVCache, KVCacheConfig
from model.kv.kv_shape import HOST_BUFFERS, KVShape, Shard
from model.kv.kv_window import BlockPosition
from model.s2v.attention import attend_all
from model.s2v.rope import apply_rope
from tests.model.small import draw

SHAPE = KVShape(batch=1, heads=2, head_dim=16, condition=5, latents=6, block=2, tokens=3)
STEPS, LAYERS, BLOCKS = 2, 3, 5
CONFIGS = [KVCacheConfig(eight, on_host) for eight in (False, True) for on_host in (False, True)]


def drawn(rows: int, *key: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values [1, l, head, d] of their own for each place."""
    seed = hash(key) % 10**6
    q, k, v = draw(3, 1, rows, SHAPE.heads, SHAPE.head_dim, seed=seed)
    return q, k, v


def factors(rows: int, time: int) -> Tensor:
    """Rotary factors [l, d/2, 2] of rows at a time."""
    angle = draw(rows, SHAPE.head_dim // 2) + 0.3 * time
    return torch.stack([angle.cos(), angle.sin()], -1)


def begin(config: KVCacheConfig) -> KVCache:
    cache = KVCache(SHAPE, torch.zeros(1), Shard(range(STEPS), range(LAYERS)), config)
    keep(cache, 0)
    return cache


def keep(cache: KVCache, version: int) -> None:
    """Keep a condition, in place of the one before."""
    cache.reset_condition()
    for layer in range(LAYERS):
        cache.keep_condition(*drawn(SHAPE.condition, 100 + version, layer)[1:])


def position(block: int) -> BlockPosition:
    start = block * SHAPE.block
    return BlockPosition(start, factors(SHAPE.own, start), factors(SHAPE.condition, -start))


def pass_blocks(cache: KVCache, blocks: range) -> Iterator[Tensor]:
    """What every layer at every step attends to, block after block."""
    for block in blocks:
        for step in range(STEPS):
            cache.begin((step, layer) for layer in range(LAYERS))
            for layer in range(LAYERS):
                yield cache.attend(
                    step, layer, position(block), drawn(SHAPE.own, block, step, layer)
                )


def attend_list(block: int, step: int, layer: int, condition: int) -> Tensor:
    """What a block attends to, from all that was ever seen: keys of the condition rotated for this block, those of blocks for their own time."""
    there, (_, k, v) = position(block), drawn(SHAPE.condition, 100 + condition, layer)
    keys, values = [apply_rope(k, there.condition)], [v]
    for each in range(max(0, block - SHAPE.slots), block + 1):
        q, k, v = drawn(SHAPE.own, each, step, layer)
        keys.append(apply_rope(k, position(each).own))
        values.append(v)
    return attend_all(apply_rope(q, there.own), torch.cat(keys, 1), torch.cat(values, 1))


@pytest.mark.parametrize("config", CONFIGS)
def test_a_block_attends_to_the_condition_itself_and_the_last_blocks(config) -> None:
    """Each step and layer to its own, the oldest block forgotten, a new condition in place of the old; in eight bits but for their rounding."""
    cache, made = begin(config), []
    for condition, blocks in enumerate((range(3), range(3, BLOCKS))):
        keep(cache, condition)
        made += pass_blocks(cache, blocks)
    places = np.ndindex(BLOCKS, STEPS, LAYERS)
    for found, (block, step, layer) in zip(made, places, strict=True):
        exact = attend_list(block, step, layer, int(block >= 3))
        assert (found - exact).norm() < (0.06 if config.eight else 1e-5) * exact.norm()


@pytest.mark.parametrize("config", CONFIGS)
def test_saved_bytes_are_the_whole_memory(config) -> None:
    """Taken back into another cache they go on to the bit, and a reset cache is a new one."""
    cache, other = begin(config), begin(config)
    first = [*pass_blocks(cache, range(3))]
    saved = [(name, bits.copy()) for name, bits in cache.save()]
    assert [name for name, _ in saved] == [
        f"ring.{s}.{i}" for s in range(STEPS) for i in range(LAYERS)
    ]
    for name, bits in saved:
        _, step, layer = name.split(".")
        other.load(int(step), int(layer), bits)
    goes_on = pass_blocks(cache, range(3, BLOCKS)), pass_blocks(other, range(3, BLOCKS))
    assert all(torch.equal(a, b) for a, b in zip(*goes_on, strict=True))
    other.reset()
    assert all(torch.equal(a, b) for a, b in zip(first, pass_blocks(other, range(3)), strict=True))


@pytest.mark.parametrize("config", CONFIGS)
def test_blocks_that_never_came_are_zeros(config) -> None:
    """A block that is said to have others before it attends to keys and values of zero, also in eight bits: the fixed computation of the fingerprint does so."""
    cache, last = begin(config), BLOCKS - 1
    q, k, v = drawn(SHAPE.own, last, 0, 0)
    cache.begin([(0, 0)])
    found = cache.attend(0, 0, position(last), (q, k, v))
    _, still, kept = drawn(SHAPE.condition, 100, 0)
    nothing = torch.zeros(1, SHAPE.slots * SHAPE.own, SHAPE.heads, SHAPE.head_dim)
    place = position(last)
    keys = torch.cat([apply_rope(still, place.condition), apply_rope(k, place.own), nothing], 1)
    exact = attend_all(apply_rope(q, place.own), keys, torch.cat([kept, v, nothing], 1))
    assert (found - exact).norm() < (0.06 if config.eight else 1e-5) * exact.norm()


def test_four_layers_come_ahead() -> None:
    """Of a cache on the host as many as there are buffers are on their way, in the order in which they are due; each that is attended to lets the next come."""
    cache = begin(KVCacheConfig(on_host=True))
    places = [(step, layer) for layer in range(LAYERS) for step in range(STEPS)]
    assert len(places) >= HOST_BUFFERS
    cache.begin(places)
    for attended, (step, layer) in enumerate(places):
        assert cache._copier is not None
        coming = min(HOST_BUFFERS, len(places) - attended)
        assert len(cache._copier._staged) == coming
        assert len(cache._coming) == len(places) - attended - coming
        cache.attend(step, layer, position(0), drawn(SHAPE.own, 0, step, layer))
    assert not cache._copier._staged


@pytest.mark.parametrize("config", CONFIGS)
def test_what_is_attended_to_is_written_where_one_says(config) -> None:
    """Into rows of a larger tensor, the same bits."""
    made = []
    for out in (None, torch.zeros(1, 2 * SHAPE.own, SHAPE.heads, SHAPE.head_dim)):
        cache = begin(config)
        cache.begin([(0, 0)])
        rows = None if out is None else out[:, SHAPE.own :]
        made.append(cache.attend(0, 0, position(0), drawn(SHAPE.own, 0, 0, 0), rows))
        assert out is None or torch.equal(out[:, SHAPE.own :], made[0])
        assert out is None or not out[:, : SHAPE.own].any()
    assert torch.equal(*made)
