"""What each rank of live-avatar takes of its card, by arithmetic: python -m model.tools.rank_memory --gpus 4 --fp8."""

import argparse
from dataclasses import replace

from model.avatar import FP8, Options
from model.kv.kv_shape import Shard
from model.live_avatar.model_traits import KIND
from model.sampling.shard_plan import ShardPlan, plan_even_layers, plan_heads, plan_steps
from model.wan.gpu_memory import OffloadPlan
from storage.errors import BadOption

PARTS = ("weights", "rings", "activations", "VAE", "speech encoder", "CUDA")


def main() -> None:
    """Print a table for each way that so many ranks can go."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpus", type=int, default=4)
    parser.add_argument("--size", default="704*384")
    parser.add_argument("--fp8", action="store_true")
    given = parser.parse_args()
    if given.gpus < 1:
        parser.error(f"--gpus {given.gpus}: there is no fewer than 1")
    width, height = map(int, given.size.split("*"))
    options = Options(width, height, precision=FP8 if given.fp8 else "")
    try:
        plans = list_plans(options, given.gpus)
    except BadOption as refused:
        parser.error(str(refused))
    print(f"| by | rank | layers | steps | heads | {' | '.join(PARTS)} | GB in all |")
    print("|---" * (len(PARTS) + 6) + "|")
    for plan in plans:
        print_plan(options, plan)


def list_plans(options: Options, ranks: int) -> list[ShardPlan]:
    """The ways that so many ranks can go; one for one. Raises BadOption."""
    traits = KIND.describe_model(options)
    whole = Shard(range(traits.steps), range(traits.layers))
    plans = [plan_even_layers(whole, ranks)]
    if ranks == 1:
        return plans
    if ranks <= traits.steps:
        plans.insert(0, plan_steps(whole, ranks))
    if not any(count % ranks for count in (traits.heads, *traits.tokens)):
        plans.append(plan_heads(whole, ranks))
    return plans


def print_plan(options: Options, plan: ShardPlan) -> None:
    """A row for each rank, everything on its card."""
    heads = KIND.describe_model(options).heads
    for rank, shard in enumerate(plan.shards):
        needed = KIND.needed(options).of_shard(shard, plan.steps)
        # The prompt's encoder has gone before the others are there.
        parts = replace(needed, text_encoder=0).parts(OffloadPlan())
        cells = " | ".join(f"{parts[name] / 1e9:.1f}" for name in PARTS)
        total = needed.total(OffloadPlan()) / 1e9
        print(
            f"| {plan.mode} | {rank} | {len(shard.layers)} | {len(shard.steps)} | {heads // shard.parts} | {cells} | {total:.1f} |"
        )


if __name__ == "__main__":
    main()
