"""Which of several ranks has what of a model: as asked, or by the memory that each takes. Without torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from model.avatar import DeviceConfig, ModelTraits, Options
from model.estimates import MachineSpeed
from model.kv.kv_shape import Shard
from model.registry import describe_model, estimate_memory, estimate_time
from model.sampling.shard_plan import (
    ShardPlan,
    plan_cut_steps,
    plan_even_layers,
    plan_guidance,
    plan_heads,
    plan_layers,
    plan_steps,
    split_evenly,
)
from model.sharding.launcher_env import count_ranks
from storage.errors import BadOption

GUIDANCE = "each step is denoised with prompt and sound, and without"
ROOM = 10**15
"""Bytes of a card on which all there is would fit: time is asked of such a one, as nothing then waits on the host."""


@dataclass(frozen=True)
class ChosenPlan:
    """Who has what, and why that."""

    plan: ShardPlan
    reason: str


@dataclass(frozen=True)
class RankCosts:
    """What ranks with some shard take."""

    name: str
    options: Options
    machine: DeviceConfig
    free: int | None
    """Bytes of each card; None: nobody knows, or all of the host's."""

    def peak(self, shard: Shard) -> int:
        """Bytes that a rank takes of its card, everything on it."""
        placed = replace(self.machine, shard=shard)
        return estimate_memory(self.name, self.options, placed, self.free).peak

    def fitting(self, plans: Sequence[ShardPlan]) -> Sequence[ShardPlan]:
        """Those with which each card holds all that is its rank's; all, where nobody knows how much it holds."""
        if self.free is None:
            return plans
        return [plan for plan in plans if max(map(self.peak, plan.shards)) <= self.free]

    def slowest(self, plan: ShardPlan) -> float:
        """Seconds of a clip of the rank that needs most of them, rank 0 decoding beside; by their shares of the work where nothing was timed."""
        return max(self._seconds(shard, rank == 0) for rank, shard in enumerate(plan.shards))

    def _seconds(self, shard: Shard, decodes: bool) -> float:
        placed = replace(self.machine, shard=shard)
        took = estimate_time(self.name, self.options, placed, ROOM, MachineSpeed())
        if took is None:
            return float(len(shard.places))
        return took.denoise + decodes * took.beside * took.decode


def choose_shards(
    name: str, options: Options, machine: DeviceConfig, ranks: int, free: int | None
) -> ChosenPlan:
    """A plan for so many ranks with so much free memory each (None: nobody knows, or all of the host's). Raises BadOption."""
    traits = describe_model(name, options)
    whole = Shard(range(traits.steps), range(traits.layers))
    if traits.motion_latents:
        return ChosenPlan(plan_shared_guidance(whole, ranks, traits, machine), GUIDANCE)
    costs = RankCosts(name, options, replace(machine, offload=False), free)
    asked: dict[str, Callable[[], ShardPlan]] = {
        "steps": lambda: plan_fitting_steps(whole, ranks, costs),
        "layers": lambda: plan_fitting_layers(whole, ranks, costs),
        "heads": lambda: plan_equal_heads(whole, ranks, traits),
    }
    if machine.parallel in asked:
        return ChosenPlan(asked[machine.parallel](), "as asked")
    if ranks > traits.steps:
        reason = f"there are more than the {traits.steps} steps"
        return ChosenPlan(plan_fitting_layers(whole, ranks, costs), reason)
    steps = plan_fitting_steps(whole, ranks, costs)
    if free is None:
        return ChosenPlan(steps, "each has memory for the whole model")
    most = max(map(costs.peak, steps.shards))
    reason = f"with all layers a rank takes {most / 1e9:.1f} GB of its card, and {free / 1e9:.1f} are free"
    if most <= free:
        return ChosenPlan(steps, reason)
    return ChosenPlan(plan_fitting_layers(whole, ranks, costs), reason)


def require_ranks(name: str, options: Options, machine: DeviceConfig) -> None:
    """Raise BadOption where so many ranks cannot share a model, whatever memory they have: before a process is started for each."""
    choose_shards(name, options, machine, count_ranks(machine.gpus), None)


def plan_shared_guidance(
    whole: Shard, ranks: int, traits: ModelTraits, machine: DeviceConfig
) -> ShardPlan:
    """The two forwards of each step on two ranks. Raises BadOption where there are not two of either."""
    if machine.parallel != DeviceConfig.parallel:
        reason = (
            f"{traits.name} denoises a clip at once, and shares its guidance alone: leave it out"
        )
        raise BadOption("--parallel", machine.parallel, reason)
    if float(traits.guidance or 1) == 1:
        reason = f"{traits.name} shares its guidance, and without one there is nothing to share"
        raise BadOption("--gpus", ranks, reason)
    if ranks != 2:
        reason = f"{traits.name} takes two cards: one with prompt and sound, one without"
        raise BadOption("--gpus", ranks, reason)
    return plan_guidance(whole)


def plan_equal_heads(whole: Shard, ranks: int, traits: ModelTraits) -> ShardPlan:
    """An equal share of every block for each rank. Raises BadOption where so many ranks would not have as many heads and tokens each."""
    latent, condition = traits.tokens
    if any(count % ranks for count in (traits.heads, latent, condition)):
        told = f"{traits.heads} heads, {latent} tokens of a latent and {condition} of the condition"
        way = "take another number, another size or layers"
        raise BadOption("--gpus", ranks, f"by heads each has as many as another of {told}; {way}")
    return plan_heads(whole, ranks)


def plan_fitting_steps(whole: Shard, ranks: int, costs: RankCosts) -> ShardPlan:
    """Steps for each rank, cut so that the slowest rank is as quick as it can be: rank 0, which also hears and decodes, has the fewer layers at its last step.

    Of the plans with which each card holds all that is its rank's; whole steps where there is none, or where a cut is of no use. Raises BadOption.
    """
    even, layers = plan_steps(whole, ranks), len(whole.layers) * len(whole.steps)
    if ranks == 1:
        return even
    firsts = range(layers // ranks, 0, -1)
    cut = [plan_cut_steps(whole, _count_others(first, layers, ranks)) for first in firsts]
    plans = [even, *costs.fitting(cut)]
    return min(plans, key=costs.slowest)


def _count_others(first: int, layers: int, ranks: int) -> list[int]:
    """So many layers for rank 0, and what is left of all spread evenly."""
    return [first, *(len(run) for run in split_evenly(layers - first, ranks - 1))]


def plan_fitting_layers(whole: Shard, ranks: int, costs: RankCosts) -> ShardPlan:
    """So many layers for rank 0 that the slowest rank is as quick as it can be, as rank 0 also hears and decodes; as many for one of the others as for another.

    Of the plans with which each card holds all that is its rank's; the even one where there is none. Raises BadOption.
    """
    even = plan_even_layers(whole, ranks)
    plans = [even]
    while (fewer := _take_layer_from_first(whole, plans[-1])) is not None:
        plans.append(fewer)
    return min(costs.fitting(plans), key=costs.slowest, default=even)


def _take_layer_from_first(whole: Shard, plan: ShardPlan) -> ShardPlan | None:
    """The plan with one layer of rank 0 given to the last of the ranks that have the fewest; None where there is none to give."""
    counts = [len(shard.layers) for shard in plan.shards]
    if counts[0] == 1 or len(counts) == 1:
        return None
    taker = min(range(len(counts) - 1, 0, -1), key=counts.__getitem__)
    counts[0] -= 1
    counts[taker] += 1
    return plan_layers(whole, counts)
