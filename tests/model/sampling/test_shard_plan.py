"""Who has which steps and layers: everything once, in order, and never more ranks than there is work."""

from itertools import product

import pytest

from model.kv.kv_shape import Shard
from model.sampling.shard_plan import (
    ShardPlan,
    plan_cut_steps,
    plan_even_layers,
    plan_heads,
    plan_layers,
    plan_steps,
)
from storage.errors import BadOption

WHOLE = Shard(range(4), range(40))
PLANS = [
    *(plan_steps(WHOLE, ranks) for ranks in range(1, 5)),
    *(plan_even_layers(WHOLE, ranks) for ranks in (1, 2, 3, 4, 7, 40)),
    plan_layers(WHOLE, [7, 11, 11, 11]),
    plan_cut_steps(WHOLE, [69, 91]),
    plan_cut_steps(WHOLE, [53, 53, 54]),
    plan_cut_steps(WHOLE, [31, 43, 43, 43]),
]


@pytest.mark.parametrize("plan", PLANS)
def test_every_layer_at_every_step_has_one_owner(plan: ShardPlan) -> None:
    """Rank 0 has the first layer of the first step, and every other rank comes behind the one that hands over to it."""
    places = product(range(4), range(40))
    owners = [plan.owner(step, layer) for step, layer in places]
    sizes = [len(shard.places) for shard in plan.shards]
    assert [owners.count(rank) for rank in range(plan.ranks)] == sizes
    assert sum(sizes) == 160
    assert owners[0] == 0
    for rank in range(plan.ranks):
        before, after = plan.rank_before(rank), plan.rank_after(rank)
        assert before is None or plan.rank_after(before) == rank
        assert after is None or (rank, after) in plan.edges
        for step in plan.shards[rank].steps:
            before, after = plan.rank_before(rank, step), plan.rank_after(rank, step)
            assert before is None or plan.rank_after(before, step) == rank
            assert after is None or (rank, after) in plan.edges


@pytest.mark.parametrize("plan", PLANS)
def test_a_block_comes_round_when_all_ranks_have_had_work(plan: ShardPlan) -> None:
    """By layers a rank meets a block again after as many tasks as there are ranks, at the least; by steps it hands blocks on and meets none again."""
    if plan.mode == "layers":
        assert plan.stride * plan.steps + 1 >= plan.ranks
        assert (plan.stride - 1) * plan.steps + 1 < plan.ranks
    else:
        assert plan.stride == 0


def test_steps_that_are_cut_go_on_where_the_rank_before_ends() -> None:
    """Rank 0 has one step and 29 layers of the next, rank 1 all from there on; a cut between two steps is no cut."""
    first, second = plan_cut_steps(WHOLE, [69, 91]).shards
    assert [first.layers_at(step) for step in range(3)] == [range(40), range(29), range(0)]
    assert [second.layers_at(step) for step in range(4)] == [range(0), range(29, 40), range(40), range(40)]  # fmt: skip
    assert plan_cut_steps(WHOLE, [80, 80]) == plan_steps(WHOLE, 2)


def test_by_heads_every_rank_is_at_every_task() -> None:
    """Each with a share of its own; nothing goes between tasks, and no clip is begun ahead."""
    plan = plan_heads(WHOLE, 4)
    assert plan.mode == "heads"
    assert [(shard.part, shard.parts) for shard in plan.shards] == [(i, 4) for i in range(4)]
    assert {plan.owners(step, layer) for step, layer in product(range(4), range(40))} == {
        (0, 1, 2, 3)
    }
    assert plan.condition_ranks == (0, 1, 2, 3)
    assert (plan.edges, plan.slack, plan.stride) == ([], 0, 0)


def test_too_many_ranks_are_refused() -> None:
    """More than steps or layers, and layers that do not add up."""
    with pytest.raises(BadOption, match="--gpus 5 cannot be used: there are 4 denoising steps"):
        plan_steps(WHOLE, 5)
    with pytest.raises(BadOption, match="there are 40 layers"):
        plan_even_layers(WHOLE, 41)
    for counts in ([40, 0], [20, 21]):
        with pytest.raises(BadOption, match="there are 40 layers"):
            plan_layers(WHOLE, counts)
