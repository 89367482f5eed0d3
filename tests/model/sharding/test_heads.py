"""Ranks that have shared out the heads of every block: near the latents of one, with carries that go to one and back."""

from functools import cache

import numpy as np
import pytest

from model.sampling.shard_plan import plan_heads
from tests.model.sharding.ranks import (
    WHOLE,
    copy_carry,
    make_clips,
    ranked,
    same,
    single,
)

CLIPS = range(3)
TWO = plan_heads(WHOLE, 2)


@cache
def made_by_one(kind: str) -> tuple[list[np.ndarray], list[tuple[str, np.ndarray]]]:
    """Every step of every clip, and the carry behind them."""
    loop = single(kind)
    return make_clips(loop, CLIPS), copy_carry(loop)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """As a share of the size."""
    return float(np.linalg.norm(other - one) / np.linalg.norm(one))


@pytest.mark.parametrize(
    ("kind", "most"),
    [("live in float32", 1e-5), ("live in eight bits", 1e-2), ("live", 2e-2), ("pocket", 2e-2)],
)
def test_two_ranks_are_near_one(kind: str, most: float) -> None:
    """Every step of every clip over the replacement of the sink; the carry has the same pieces, all heads in each. Rounded to eight or sixteen bits, a number that falls to the other side of a step moves by all of it."""
    with ranked(kind, TWO) as loop:
        assert loop.cache.shape.heads == 1
        made = make_clips(loop, CLIPS, ahead=True)
        carry = copy_carry(loop)
    truth, whole = made_by_one(kind)
    assert max(map(distance, truth, made)) < most
    assert [(name, bits.shape) for name, bits in carry] == [
        (name, bits.shape) for name, bits in whole
    ]


@pytest.mark.parametrize("kind", ["live in float32", "live in eight bits", "pocket"])
def test_a_film_goes_on_by_heads(kind: str) -> None:
    """From its own carry: the bytes of a film that was never interrupted, though the first ranks have gone."""
    with ranked(kind, TWO) as loop:
        unbroken = make_clips(loop, CLIPS)
    with ranked(kind, TWO) as loop:
        first = make_clips(loop, range(2))
        carry = copy_carry(loop)
    with ranked(kind, TWO) as loop:
        loop.restore(2, carry)
        assert same([*first, *make_clips(loop, range(2, 3))], unbroken)


def test_a_carry_goes_to_one_and_back() -> None:
    """A film that one process begins is continued by heads, and by one again."""
    loop = single("live in float32")
    made = make_clips(loop, range(1))
    with ranked("live in float32", TWO) as by_heads:
        by_heads.restore(1, copy_carry(loop))
        made += make_clips(by_heads, range(1, 2))
        carry = copy_carry(by_heads)
    loop.restore(2, carry)
    made += make_clips(loop, range(2, 3))
    assert max(map(distance, made_by_one("live in float32")[0], made)) < 1e-5
