"""Which rank has what: as asked, or by the memory of the cards."""

from dataclasses import replace

import pytest

from model.avatar import FP8, DeviceConfig, Options
from model.estimates import MachineSpeed as Speed
from model.registry import estimate_memory, estimate_time
from model.sharding.plan_choice import choose_shards
from model.wan.gpu_time import JOINED_SHARE
from storage.errors import BadOption

FULL = Options(704, 384)
"""The published 14B: no weights are needed to know its sizes."""
EIGHT = replace(FULL, precision=FP8)
AUTO = DeviceConfig(device="cuda")


@pytest.mark.parametrize(
    ("options", "ranks", "free", "mode"),
    [
        (EIGHT, 4, 47e9, "steps"),
        (EIGHT, 4, 23.4e9, "layers"),
        (FULL, 2, 79e9, "steps"),
        (FULL, 4, 53e9, "steps"),
        (FULL, 4, 45e9, "layers"),
        (FULL, 4, 31e9, "layers"),
        (EIGHT, 8, 140e9, "layers"),
        (EIGHT, 4, None, "steps"),
    ],
)
def test_steps_where_each_card_holds_all_layers(
    options: Options, ranks: int, free: float | None, mode: str
) -> None:
    """Of a rank that has some of the steps, not of one card with all of them; layers where there are more ranks than steps."""
    chosen = choose_shards("live-avatar", options, AUTO, ranks, None if free is None else int(free))
    assert chosen.plan.mode == mode
    assert chosen.plan.ranks == ranks
    assert chosen.reason


def test_the_reason_names_both_figures() -> None:
    """What a rank would take, and what is free."""
    line = choose_shards("live-avatar", EIGHT, AUTO, 4, int(23.4e9)).reason
    assert line == "with all layers a rank takes 33.3 GB of its card, and 23.4 are free"


def test_rank_0_has_fewer_layers_where_its_card_would_not_hold_as_many() -> None:
    """It also hears and decodes: on 25 GB in bfloat16 ten layers are too many for it, eleven are not for the others."""
    free = int(25e9)
    plan = choose_shards("live-avatar", FULL, AUTO, 4, free).plan
    counts = [len(shard.layers) for shard in plan.shards]
    assert sum(counts) == 40
    assert counts[0] < 10 <= min(counts[1:])
    for shard in plan.shards:
        there = replace(AUTO, shard=shard, offload=False)
        assert estimate_memory("live-avatar", FULL, there, free).peak <= free


@pytest.mark.parametrize(("options", "counts"), [(EIGHT, [18, 22]), (FULL, [18, 22])])
def test_rank_0_has_fewer_layers_as_it_decodes(options: Options, counts: list[int]) -> None:
    """On cards with room for anything: what decoding takes is worth some layers."""
    two = replace(AUTO, parallel="layers")
    plan = choose_shards("live-avatar", options, two, 2, int(140e9)).plan
    assert [len(shard.layers) for shard in plan.shards] == counts


@pytest.mark.parametrize(
    ("options", "ranks", "counts"),
    [
        (EIGHT, 2, [70, 90]),
        (FULL, 2, [73, 87]),
        (EIGHT, 3, [40, 60, 60]),
        (EIGHT, 4, [25, 45, 45, 45]),
    ],
)
def test_rank_0_has_less_of_the_steps_as_it_decodes(
    options: Options, ranks: int, counts: list[int]
) -> None:
    """Its last step is ended by the next rank; the others have as much as each other."""
    steps = replace(AUTO, parallel="steps")
    plan = choose_shards("live-avatar", options, steps, ranks, int(140e9)).plan
    assert [len(shard.places) for shard in plan.shards] == counts
    assert plan.mode == "steps"


def test_steps_stay_whole_where_a_cut_would_not_help() -> None:
    """Two ranks of a model of which nothing was timed; three share four steps evenly."""
    two = choose_shards("pocket", Options(), replace(AUTO, parallel="steps"), 2, None).plan
    assert [shard.steps for shard in two.shards] == [range(2), range(2, 4)]
    three = choose_shards("pocket", Options(), replace(AUTO, parallel="steps"), 3, None).plan
    assert [len(shard.places) for shard in three.shards] == [8, 8, 8]


def test_layers_stay_even_where_that_would_not_help() -> None:
    """On 20 GB no rank holds its layers in bfloat16: what waits on the host is as much for each."""
    plan = choose_shards("live-avatar", FULL, AUTO, 4, int(20e9)).plan
    assert [len(shard.layers) for shard in plan.shards] == [10, 10, 10, 10]


@pytest.mark.parametrize(
    ("ranks", "parallel", "line"),
    [(5, "steps", "there are 4 denoising steps"), (41, "layers", "there are 40 layers")],
)
def test_more_ranks_than_there_is_work_are_refused(ranks: int, parallel: str, line: str) -> None:
    """With what there is."""
    with pytest.raises(BadOption, match=line):
        choose_shards("live-avatar", EIGHT, replace(AUTO, parallel=parallel), ranks, None)


@pytest.mark.parametrize(
    ("options", "ranks", "counts"),
    [
        (EIGHT, 3, "40 heads, 1056 tokens of a latent and 2640"),
        (EIGHT, 16, "40 heads"),
        (replace(FULL, width=688, height=368), 2, "40 heads, 989 tokens of a latent and 2506"),
    ],
)
def test_heads_and_tokens_that_cannot_be_shared_equally_are_refused(
    options: Options, ranks: int, counts: str
) -> None:
    """Each rank has as many as another, or all would wait for one."""
    with pytest.raises(BadOption, match=f"--gpus {ranks} cannot be used: by heads .* {counts}"):
        choose_shards("live-avatar", options, replace(AUTO, parallel="heads"), ranks, None)


def test_by_heads_each_rank_has_all_weights_and_a_share_of_the_caches() -> None:
    """And a share of the time; rank 0 alone hears and decodes."""
    by_heads, free, speed = replace(AUTO, parallel="heads"), int(140e9), Speed()
    one = estimate_memory("live-avatar", EIGHT, AUTO, free)
    alone = estimate_time("live-avatar", EIGHT, AUTO, free, speed)
    assert alone is not None
    chosen = choose_shards("live-avatar", EIGHT, by_heads, 4, free)
    assert (chosen.plan.mode, chosen.reason) == ("heads", "as asked")
    for rank, shard in enumerate(chosen.plan.shards):
        held = estimate_memory("live-avatar", EIGHT, replace(AUTO, shard=shard), free)
        assert held.device["weights"] == one.device["weights"]
        assert held.device["rings"] == pytest.approx(one.device["rings"] / 4, rel=1e-3)
        assert held.device["activations"] < one.device["activations"]
        assert bool(held.device["VAE"]) == (rank == 0)
        time = estimate_time("live-avatar", EIGHT, replace(AUTO, shard=shard), free, speed)
        assert time is not None
        # Between ranks each block goes by itself.
        assert time.denoise == pytest.approx(alone.denoise / JOINED_SHARE / 4)
        # No graphs between ranks: their hosts ask for each layer's pieces.
        assert time.host > 4 * alone.host


def test_a_clip_wise_model_shares_its_guidance() -> None:
    """Over two ranks with all weights, each in half of the time; rank 0 alone hears and decodes."""
    free, speed = int(140e9), Speed()
    chosen = choose_shards("wan-s2v", FULL, AUTO, 2, free)
    assert chosen.plan.mode == "guidance"
    assert [shard.branch for shard in chosen.plan.shards] == [0, 1]
    alone = estimate_time("wan-s2v", FULL, AUTO, free, speed)
    assert alone is not None
    for rank, shard in enumerate(chosen.plan.shards):
        placed = replace(AUTO, shard=shard)
        time = estimate_time("wan-s2v", FULL, placed, free, speed)
        assert time is not None
        assert time.denoise == pytest.approx(alone.denoise / 2)
        held = estimate_memory("wan-s2v", FULL, placed, free)
        assert bool(held.device["VAE"]) == (rank == 0)


@pytest.mark.parametrize(
    ("options", "machine", "ranks", "line"),
    [
        (FULL, AUTO, 3, "--gpus 3 cannot be used: wan-s2v takes two cards"),
        (replace(FULL, guidance="1"), AUTO, 2, "without one there is nothing to share"),
        (FULL, replace(AUTO, parallel="layers"), 2, "--parallel layers cannot be used: wan-s2v"),
    ],
)
def test_what_a_clip_wise_model_cannot_share_is_refused(
    options: Options, machine: DeviceConfig, ranks: int, line: str
) -> None:
    """With what it can."""
    with pytest.raises(BadOption, match=line):
        choose_shards("wan-s2v", options, machine, ranks, None)


def test_a_rank_takes_its_share_of_the_time() -> None:
    """So many of the layers at all steps, or all layers at a quarter of the steps, denoise in so much of the time."""
    free, speed = int(80e9), Speed()
    whole = estimate_time("live-avatar", EIGHT, AUTO, free, speed)
    assert whole is not None
    for parallel in ("steps", "layers"):
        chosen = choose_shards("live-avatar", EIGHT, replace(AUTO, parallel=parallel), 4, free)
        for shard in chosen.plan.shards:
            rank = estimate_time("live-avatar", EIGHT, replace(AUTO, shard=shard), free, speed)
            assert rank is not None
            part = len(shard.places) / (40 * 4)
            assert rank.denoise == pytest.approx(part * whole.denoise / JOINED_SHARE)
            assert rank.decode == whole.decode
