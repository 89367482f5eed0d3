"""How much of the time ranks have something to do, by the denoiser's own order of tasks; computing and hops are numbers here, so it is known for as many cards as one likes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import mean
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from model.kv.kv_shape import Shard
from model.sampling import causal
from model.sampling.causal import CausalDenoiser
from model.sampling.causal_stage import BlockTask
from model.sampling.shard_plan import (
    ShardPlan,
    count_clips_ahead,
    plan_even_layers,
    plan_heads,
    plan_one,
    plan_steps,
)

WHOLE = Shard(range(4), range(40))
HOP = 0.05
"""Of what a rank computes of a task by layers."""


@dataclass
class SimulatedRanks:
    """A runner that computes nothing and keeps the time; the whole of a task takes 1."""

    plan: ShardPlan
    stage: Any = field(default_factory=lambda: SimpleNamespace(begin_clip=lambda *_: None))
    now: float = 0.0
    """Of rank 0's host, which waits for nothing but the latents of a clip."""
    free: dict[int, float] = field(default_factory=dict)
    ends: dict[BlockTask, float] = field(default_factory=dict)

    def prefill(self) -> None:
        """Takes no time."""

    def follow_block(self, _: BlockTask) -> None:
        """Neither."""

    def run_task(self, task: BlockTask) -> None:
        """Each rank does its part when it is free and its input has come."""
        before = BlockTask(task.clip, task.block, task.step - 1)
        came = max(self.now, self.ends[before] if task.step else 0.0)
        for rank, shard in enumerate(self.plan.shards):
            if layers := len(shard.layers_at(task.step)):
                begun = max(came, self.free.get(rank, 0.0))
                self.free[rank] = begun + layers / len(WHOLE.layers)
                came = self.free[rank] + HOP / self.plan.ranks
        self.ends[task] = came

    def collect_latents(self, clip: int) -> torch.Tensor:
        """Wait for them."""
        self.now = max(end for task, end in self.ends.items() if task.clip == clip)
        return torch.zeros(4, 1, 1, 1, 1)


def simulate(
    plan: ShardPlan, blocks: int, monkeypatch: pytest.MonkeyPatch, clips: int = 40
) -> list[float]:
    """When each clip of a film is there."""
    ranks = SimulatedRanks(plan)
    monkeypatch.setattr(causal, "make_runner", lambda *_: ranks)
    monkeypatch.setattr(causal, "rearrange", lambda trail, *_, **__: trail)
    config = SimpleNamespace(motion_follows=False, sink_from_first_clip=True)
    setup: Any = SimpleNamespace(
        blocks=blocks,
        schedule=SimpleNamespace(timesteps=range(len(WHOLE.steps))),
        transformer=SimpleNamespace(config=config),
    )
    nothing = lambda *_: None  # noqa: E731
    crew: Any = SimpleNamespace(plan=plan, links=None, begin_clip=nothing, run_task=nothing, prefill=nothing, follow_block=nothing)  # fmt: skip
    loop, begun, came = CausalDenoiser(setup, crew), 0, []
    for clip in range(clips):
        while begun < clips and begun <= clip + loop.clips_ahead:
            loop.begin_clip(np.zeros(1, np.float32))
            begun += 1
        loop.denoise(np.zeros(1, np.float32))
        came.append(ranks.now)
    return came


def measure_work(came: Sequence[float], plan: ShardPlan, blocks: int) -> float:
    """The share of the time that ranks compute, away from a film's ends."""
    seconds = mean(after - before for before, after in pairwise(came[8:-4]))
    return blocks * len(WHOLE.steps) / plan.ranks / seconds


@pytest.mark.parametrize("blocks", [4, 1])
@pytest.mark.parametrize(
    "plan",
    [*(plan_even_layers(WHOLE, ranks) for ranks in (2, 4, 5, 8, 10)), *(plan_steps(WHOLE, ranks) for ranks in (2, 4))],
    ids=["2 by layers", "4 by layers", "5 by layers", "8 by layers", "10 by layers", "2 by steps", "4 by steps"],
)  # fmt: skip
def test_ranks_are_at_work(plan: ShardPlan, blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are and however short clips are: with a hop of a twentieth of a rank's part all work for 95 % of the time. Eight by layers had 58 % while no more than one clip was begun ahead."""
    assert measure_work(simulate(plan, blocks, monkeypatch), plan, blocks) > 0.95


@pytest.mark.parametrize(
    ("ranks", "blocks", "clips"),
    [(1, 4, 1), (1, 1, 3), (2, 4, 1), (4, 4, 1), (4, 1, 4), (8, 4, 2), (8, 3, 3)],
)
def test_as_many_clips_are_begun_as_any_plan_asks_for(ranks: int, blocks: int, clips: int) -> None:
    """Those whose blocks stand between the steps of one, and those that rank 0 hands out while it waits for a clip."""
    assert count_clips_ahead(ranks, 4, blocks) == clips


def test_where_nothing_overlaps_nothing_is_begun_ahead() -> None:
    """One rank that does task by task, and ranks that are all at each task; in waves the blocks between four steps."""
    assert plan_one(WHOLE).blocks_ahead == plan_heads(WHOLE, 4).blocks_ahead == 0
    assert plan_one(WHOLE, waves=True).blocks_ahead == 3
