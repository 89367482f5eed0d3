"""Several ranks make the latents of one, to the bit: steps or layers shared out, over clips' borders, with carries that go from one plan to another."""

from functools import cache

import numpy as np
import pytest

from model.kv.kv_shape import Shard
from model.sampling.shard_plan import (
    ShardPlan,
    plan_cut_steps,
    plan_layers,
    plan_one,
    plan_steps,
)
from model.sharding.follower import ClipSeeds
from tests.model.sharding.ranks import (
    LATENTS,
    WHOLE,
    copy_carry,
    make_clips,
    ranked,
    same,
    single,
)
from tests.model.small import sound

CLIPS = range(3)
WHOLE_OF_EIGHT = Shard(range(4), range(8))
PLANS = {
    "2 by steps": plan_steps(WHOLE, 2),
    "3 by steps": plan_steps(WHOLE, 3),
    "4 by steps": plan_steps(WHOLE, 4),
    "2 by steps, cut": plan_cut_steps(WHOLE, [7, 13]),
    "3 by steps, cut": plan_cut_steps(WHOLE, [6, 7, 7]),
    "4 by steps, cut": plan_cut_steps(WHOLE, [2, 6, 7, 5]),
    "2 by layers": plan_layers(WHOLE, [2, 3]),
    "3 by layers, unevenly": plan_layers(WHOLE, [1, 3, 1]),
    "5 by layers": plan_layers(WHOLE, [1] * 5),
}


@cache
def truth(kind: str) -> tuple[list[np.ndarray], list[tuple[str, np.ndarray]]]:
    """Of one process: every step of every clip, and the carry behind them."""
    loop = single(kind)
    return make_clips(loop, CLIPS), copy_carry(loop)


# Clips of pocket are never begun ahead: each takes the motion of the one before.
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize(("kind", "ahead"), [("live", False), ("live", True), ("pocket", False)])
def test_ranks_make_the_bits_of_one(kind: str, plan: ShardPlan, ahead: bool) -> None:
    """Every step of every clip and every byte of the carry, whether clips are begun ahead or not."""
    with ranked(kind, plan) as loop:
        assert (loop.clips_ahead > 0) == (kind == "live" and plan.blocks_ahead > 0)
        assert same(make_clips(loop, CLIPS, ahead=ahead), truth(kind)[0])
        carry = copy_carry(loop)
        assert [name for name, _ in carry] == [name for name, _ in truth(kind)[1]]
        assert same([bits for _, bits in carry], [bits for _, bits in truth(kind)[1]])


@pytest.mark.parametrize("kind", ["live", "pocket"])
def test_a_carry_goes_from_plan_to_plan(kind: str) -> None:
    """A film that four ranks begin is continued by three others, and by two or by one, and is the film of one."""
    made: list[np.ndarray] = []
    carry: list[tuple[str, np.ndarray]] = []
    for clip, name in enumerate(("4 by steps, cut", "3 by layers, unevenly")):
        with ranked(kind, PLANS[name]) as several:
            several.restore(clip, carry)
            made += make_clips(several, range(clip, clip + 1))
            carry = copy_carry(several)
    loop = single(kind)
    loop.restore(2, carry)
    made += make_clips(loop, range(2, 3))
    assert same(made, truth(kind)[0])


@pytest.mark.parametrize("plan", ["4 by steps", "2 by steps, cut", "3 by layers, unevenly"])
def test_a_clip_on_its_way_is_given_up(plan: str) -> None:
    """A denoiser that is taken back while the clip behind is with other ranks leaves nothing on its way: what follows is the film from there."""
    with ranked("live", PLANS[plan]) as loop:
        first = make_clips(loop, range(1))
        carry = copy_carry(loop)
        for _ in range(2):
            loop.restore(1, carry)
            loop.begin_clip(sound(LATENTS, seed=1))
            loop.begin_clip(sound(LATENTS, seed=2))
            loop.denoise(sound(LATENTS, seed=1))
        loop.restore(1, carry)
        again = make_clips(loop, range(1, 3), ahead=True)
        assert same([*first, *again], truth("live")[0][:3])


def test_one_rank_is_the_plan_of_one() -> None:
    """A single rank by either plan has everything, and nothing goes between ranks."""
    for plan in (plan_steps(WHOLE, 1), plan_layers(WHOLE, [5])):
        assert plan == plan_one(WHOLE)
        assert plan.edges == []


@pytest.mark.parametrize("plan", [*PLANS.values(), plan_layers(WHOLE_OF_EIGHT, [1] * 8)])
def test_seeds_of_clips_under_way_are_remembered(plan: ShardPlan) -> None:
    """Of short clips as many are begun as there are blocks ahead: eight ranks lost the first one's, when four were remembered. Those of clips long past are forgotten."""
    seeds = ClipSeeds(plan)
    ahead = plan.blocks_ahead
    for clip in range(ahead + 20):
        seeds.note_seed(clip, 100 + clip)
        assert seeds.seed_of(max(0, clip - ahead)) == 100 + max(0, clip - ahead)
    with pytest.raises(KeyError):
        seeds.seed_of(0)
