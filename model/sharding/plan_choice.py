"""Which of several ranks has what of a model: as asked, or by the memory that each takes. Without torch."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from model.avatar import DeviceConfig, Options, describe_model, estimate_memory
from model.kv.kv_shape import Shard
from model.sampling.shard_plan import ShardPlan, plan_even_layers, plan_layers, plan_steps
from storage.errors import BadOption

Peak = Callable[[Shard], int]
"""Bytes that a rank with this shard takes of its card, everything on it."""


@dataclass(frozen=True)
class ChosenPlan:
    """Who has what, and why that."""

    plan: ShardPlan
    reason: str


def choose_shards(
    name: str, options: Options, machine: DeviceConfig, ranks: int, free: int | None
) -> ChosenPlan:
    """A plan for so many ranks with so much free memory each (None: nobody knows, or all of the host's). Raises BadOption."""
    traits = describe_model(name, options)
    if not traits.layers:
        raise BadOption(
            "--gpus", ranks, f"{name} needs one card; pocket and live-avatar take several"
        )

    def peak(shard: Shard) -> int:
        placed = replace(machine, offload=False, shard=shard)
        return estimate_memory(name, options, placed, free).peak

    whole = Shard(range(traits.steps), range(traits.layers))
    if machine.parallel == "steps":
        return ChosenPlan(plan_steps(whole, ranks), "as asked")
    if machine.parallel == "layers":
        return ChosenPlan(plan_fitting_layers(whole, ranks, peak, free), "as asked")
    if ranks > traits.steps:
        reason = f"there are more than the {traits.steps} steps"
        return ChosenPlan(plan_fitting_layers(whole, ranks, peak, free), reason)
    steps = plan_steps(whole, ranks)
    if free is None:
        return ChosenPlan(steps, "each has memory for the whole model")
    most = max(map(peak, steps.shards))
    reason = f"with all layers a rank takes {most / 1e9:.1f} GB of its card, and {free / 1e9:.1f} are free"
    if most <= free:
        return ChosenPlan(steps, reason)
    return ChosenPlan(plan_fitting_layers(whole, ranks, peak, free), reason)


def plan_fitting_layers(whole: Shard, ranks: int, peak: Peak, free: int | None) -> ShardPlan:
    """As many layers for one rank as for another; fewer for rank 0, which also hears and decodes, where then each card holds all that is its rank's. Raises BadOption."""
    even = plan_even_layers(whole, ranks)
    plan: ShardPlan | None = even
    while plan is not None and free is not None:
        if max(map(peak, plan.shards)) <= free:
            return plan
        plan = _take_layer_from_first(whole, plan)
    return even


def _take_layer_from_first(whole: Shard, plan: ShardPlan) -> ShardPlan | None:
    """The plan with one layer of rank 0 given to the last of the ranks that have the fewest; None where there is none to give."""
    counts = [len(shard.layers) for shard in plan.shards]
    if counts[0] == 1 or len(counts) == 1:
        return None
    taker = min(range(len(counts) - 1, 0, -1), key=counts.__getitem__)
    counts[0] -= 1
    counts[taker] += 1
    return plan_layers(whole, counts)
