"""Which process (rank) computes which denoising steps and layers, and in what order all of them take their turns. Without torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import ceil

from model.kv.kv_shape import Shard
from storage.errors import BadOption

TENSORS_UNDER_WAY = 4
"""Tensors of the device that may be on their way from one rank to another before the next waits for the oldest: by layers, each is a block's tokens."""


@dataclass(frozen=True)
class ShardPlan:
    """The shard of each rank. Together they are every layer at every step, each once (by heads, once for each share); rank 0 has the first layer of the first step."""

    shards: tuple[Shard, ...]
    waves: bool = False
    """One rank does all tasks that do not wait for each other layer by layer: what waits on the host comes once for all of them."""
    joins: bool = False
    """A whole wave goes through the layers as one run of rows."""

    @property
    def ranks(self) -> int:
        """How many there are."""
        return len(self.shards)

    @property
    def steps(self) -> int:
        """Denoising steps of a block."""
        return max(shard.steps.stop for shard in self.shards)

    @property
    def layers(self) -> int:
        """Layers of the model."""
        return max(shard.layers.stop for shard in self.shards)

    @property
    def mode(self) -> str:
        """`steps`, `layers`, `heads` or `guidance`: what the ranks have shared out; `one` for a single rank."""
        if self.ranks == 1:
            return "one"
        if self.shards[0].branch is not None:
            return "guidance"
        if self.shards[0].parts > 1:
            return "heads"
        return "layers" if len(self.shards[0].layers) < self.layers else "steps"

    @property
    def is_joint(self) -> bool:
        """True if all ranks are at every task together, and meet inside of it."""
        return self.mode in {"heads", "guidance"}

    def owner(self, step: int, layer: int) -> int:
        """The rank that computes a layer at a step; the first of them, where several do."""
        return self.owners(step, layer)[0]

    def owners(self, step: int, layer: int) -> tuple[int, ...]:
        """The ranks that compute a layer at a step: by heads all, in the order of their shares, else one."""
        return tuple(
            rank for rank, shard in enumerate(self.shards) if layer in shard.layers_at(step)
        )

    def first_rank(self, step: int) -> int:
        """The rank with the first layer at a step: it embeds the latents."""
        return self.owner(step, 0)

    def last_rank(self, step: int) -> int:
        """The rank with the last layer at a step: it has the latents behind the step."""
        return self.owner(step, self.layers - 1)

    def takers(self, step: int) -> tuple[int, ...]:
        """The ranks that need the latents behind a step: none behind the last."""
        if step + 1 == self.steps:
            return ()
        return tuple(sorted({self.first_rank(step + 1), self.last_rank(step + 1)}))

    @property
    def condition_ranks(self) -> tuple[int, ...]:
        """The ranks that embed reference and motion."""
        return tuple(rank for rank, shard in enumerate(self.shards) if shard.layers.start == 0)

    @property
    def stride(self) -> int:
        """By how many blocks a step stands behind the one before it: 0 where a block takes all its steps before the next begins. Tasks as many blocks and steps apart are a wave.

        Where each task passes through all ranks, those of a wave are of different blocks: (b, s), (b-k, s+1), (b-2k, s+2) do not wait for each other.
        A rank meets a block again after k·steps + 1 tasks, and so many are to be no fewer than the ranks.
        """
        if self.waves:
            return 1
        return -(-(self.ranks - 1) // self.steps) if self.mode == "layers" else 0

    @property
    def slack(self) -> int:
        """Tasks that rank 0 hands out while the last of a clip is on its way through the other ranks: none where all are done with a task at once.

        By steps a block for each rank, by layers as many as do not wait for one that is on its way: rank 0 falls back when it decodes, and the others live on what it has handed out before.
        """
        if self.is_joint or self.waves:
            return 0
        return self.steps * (self.ranks if self.mode == "steps" else self.stride)

    @property
    def blocks_ahead(self) -> int:
        """How many blocks behind one are to be begun before its last task is done, or ranks wait for each other, or layers that wait on the host come for fewer of them: those that stand between its steps, and those of `slack`."""
        return self.stride * (self.steps - 1) + self.slack // self.steps

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Every pair (from, to) of ranks between which tensors of the device go, in an order that all ranks know; none where each task is everybody's."""
        if self.is_joint:
            return []
        found = {
            (source, target)
            for step in range(self.steps)
            for source in (self.last_rank(step),)
            for target in (*self.takers(step), *self.condition_ranks)
        }
        for rank, shard in enumerate(self.shards):
            afters = (self.rank_after(rank, step) for step in (*shard.steps, None))
            found |= {(rank, after) for after in afters if after is not None}
        return sorted(edge for edge in found if edge[0] != edge[1])

    def rank_before(self, rank: int, step: int | None = None) -> int | None:
        """The rank with the layer before those of this one at a step, or of the condition where none is named; None where it has the first."""
        shard = self.shards[rank]
        layers = shard.layers if step is None else shard.layers_at(step)
        at = shard.steps[0] if step is None else step
        return self.owner(at, layers.start - 1) if layers.start else None

    def rank_after(self, rank: int, step: int | None = None) -> int | None:
        """The rank with the layer behind those of this one at a step, or of the condition where none is named; None where it has the last."""
        shard = self.shards[rank]
        layers = shard.layers if step is None else shard.layers_at(step)
        if layers.stop == self.layers:
            return None
        return self.owner(shard.steps[0] if step is None else step, layers.stop)


def count_clips_ahead(ranks: int, steps: int, blocks: int) -> int:
    """How many clips of so many blocks behind one are to be begun before its last task is done, whichever way so many ranks share them out (`ShardPlan.blocks_ahead`)."""
    whole = Shard(range(steps), range(ranks))
    if ranks == 1:
        plans = [plan_one(whole, waves=True)]
    else:
        plans = [plan_even_layers(whole, ranks)]
        plans += [plan_steps(whole, ranks)] if ranks <= steps else []
    return ceil(max(plan.blocks_ahead for plan in plans) / blocks)


def plan_one(shard: Shard, *, waves: bool = False, joins: bool = False) -> ShardPlan:
    """All of it in one process, task by task or in waves, which may go as one run of rows."""
    return ShardPlan((shard,), waves, joins)


def plan_steps(whole: Shard, ranks: int) -> ShardPlan:
    """Consecutive steps for each rank, all of whose layers it has; raises BadOption where there are more ranks than steps."""
    if ranks > len(whole.steps):
        raise _too_many(ranks, "denoising steps", len(whole.steps))
    return ShardPlan(
        tuple(Shard(run, whole.layers) for run in split_evenly(len(whole.steps), ranks))
    )


def plan_cut_steps(whole: Shard, counts: Sequence[int]) -> ShardPlan:
    """So many layers for each rank of those at all steps, one step's after the other's: a step may be begun by one rank and ended by the next. Each has all weights."""
    stops, layers = list(accumulate(counts)), len(whole.layers)
    assert min(counts) > 0, f"a rank with nothing: {counts}"
    assert stops[-1] == layers * len(whole.steps), f"{counts} are not all layers at all steps"
    return ShardPlan(
        tuple(
            _cut_shard(whole, stop - count, stop) for stop, count in zip(stops, counts, strict=True)
        )
    )


def _cut_shard(whole: Shard, first: int, stop: int) -> Shard:
    """From the layer with this number, counted through all steps, to before another."""
    layers = len(whole.layers)
    steps = range(first // layers, -(-stop // layers))
    return Shard(steps, whole.layers, begins=first % layers, ends=stop % layers or None)


def plan_layers(whole: Shard, counts: Sequence[int]) -> ShardPlan:
    """Consecutive layers for each rank, so many, at all steps; raises BadOption where they are others than there are."""
    if min(counts) < 1 or sum(counts) != len(whole.layers):
        raise _too_many(len(counts), "layers", len(whole.layers))
    stops = list(accumulate(counts))
    runs = [range(stop - count, stop) for stop, count in zip(stops, counts, strict=True)]
    return ShardPlan(tuple(Shard(whole.steps, run) for run in runs))


def plan_even_layers(whole: Shard, ranks: int) -> ShardPlan:
    """As many layers for each rank as for any other, or one more; raises BadOption where there are more ranks than layers."""
    if ranks > len(whole.layers):
        raise _too_many(ranks, "layers", len(whole.layers))
    return plan_layers(whole, [len(run) for run in split_evenly(len(whole.layers), ranks)])


def plan_heads(whole: Shard, ranks: int) -> ShardPlan:
    """All steps and layers for each rank, with an equal share of every block; what cannot be divided so is refused by model/sharding/plan_choice.py."""
    return ShardPlan(tuple(replace(whole, part=part, parts=ranks) for part in range(ranks)))


def plan_guidance(whole: Shard) -> ShardPlan:
    """Two ranks: one forward of each step with prompt and sound, one without."""
    return ShardPlan(tuple(replace(whole, branch=branch) for branch in range(2)))


def split_evenly(count: int, parts: int) -> list[range]:
    """Consecutive runs of 0 … count - 1, the later the longer by at most one: rank 0 has other work, too."""
    edges = [i * count // parts for i in range(parts + 1)]
    return [range(first, stop) for first, stop in pairwise(edges)]


def _too_many(ranks: int, what: str, there: int) -> BadOption:
    return BadOption(
        "--gpus", ranks, f"there are {there} {what}, and each takes one of them at the least"
    )
