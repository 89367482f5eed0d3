"""Ranks as threads of one process, with real links over gloo: what several processes do, in a tenth of the time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.distributed import HashStore

from model.avatar import Float
from model.kv.kv_cache import KVCacheConfig
from model.kv.kv_shape import Shard
from model.prompt_schedule import PromptChange
from model.s2v.text_schedule import TextSchedule, encode_changes
from model.s2v.transformer import S2VTransformer, view_blocks
from model.sampling.causal import CausalDenoiser
from model.sampling.causal_stage import DenoisingSetup
from model.sampling.noise import SeededNoise
from model.sampling.schedule import Schedule
from model.sampling.shard_plan import ShardPlan
from model.sharding.follower import Follower
from model.sharding.instructions import Instruction, Kind
from model.sharding.leader import Leader
from model.sharding.links import TensorLinks
from tests.model.small import (
    CHANNELS,
    SIZES,
    draw,
    keep_blocks,
    rounded,
    small_scene,
    small_transformer,
    sound,
)

STEPS, LAYERS, LATENTS = 4, 5, 6
SCHEDULE = Schedule((1000.0, 900.0, 750.0, 500.0), (1.0, 0.9, 0.75, 0.5, 0.0))
CPU = torch.device("cpu")
PROMPTS = TextSchedule.from_inputs(
    {
        "text": draw(3, SIZES["text_dim"], seed=3).numpy(),
        **encode_changes(
            [PromptChange(1, 1, 100, 100, "a"), PromptChange(4, 0, 100, 100, "")],
            lambda words: draw(1 + 3 * len(words), SIZES["text_dim"], seed=7).numpy(),
        ),
    }
)
"""A change that fades in the first clip, and one in the third."""
WHOLE = Shard(range(STEPS), range(LAYERS))
POCKETS = {"motion_follows": True, "sink_from_first_clip": False, "rounding": "layer"}
"""How pocket's configuration differs."""
LIVES = {"audio_inject_layers": (0, 2, 4)}
KINDS: dict[str, dict[str, Any]] = {
    "live": LIVES,
    "live in float32": LIVES,
    "live in eight bits": LIVES,
    "pocket": {"audio_inject_layers": (0, 1, 2, 3, 4), **POCKETS},
}


@cache
def build_model(kind: str) -> S2VTransformer:
    """The whole model. Not by several threads at once: weights are drawn from torch's one generator."""
    model = small_transformer(num_layers=LAYERS, **KINDS[kind])
    return rounded(model) if kind in {"live", "pocket"} else model


@dataclass(frozen=True)
class Miniature:
    """A small model with random weights, and what of it one rank has."""

    kind: str
    shard: Shard = WHOLE

    def prepare_denoising(self, inputs: Any, seed: Any, poses: Any) -> DenoisingSetup:
        model = deepcopy(build_model(self.kind))
        if self.kind != "pocket":
            keep_blocks(model, self.shard.layers)
        view = view_blocks(model, self.shard.layers)
        scene = small_scene(
            latents=LATENTS,
            pose=lambda clip: torch.from_numpy(poses(clip))[None],
            schedule=PROMPTS,
        )
        cached = KVCacheConfig(eight=self.kind == "live in eight bits")
        return DenoisingSetup(view, SCHEDULE, scene, SeededNoise(seed, model.config.roll), cached)


def seed_of(clip: int) -> int:
    """Another for each clip."""
    return 100 + clip


def pose_of(clip: int) -> Float:
    """Pose latents of a clip, which a rank is told when the clip begins."""
    return draw(CHANNELS, LATENTS, 8, 8, seed=clip).numpy()


def single(kind: str) -> CausalDenoiser:
    """The denoiser of one process."""
    return CausalDenoiser(Miniature(kind).prepare_denoising({}, seed_of, pose_of))


@contextmanager
def ranked(kind: str, plan: ShardPlan) -> Iterator[CausalDenoiser]:
    """The denoiser of as many ranks as the plan has."""
    build_model(kind)
    store, faults = HashStore(), list[BaseException]()

    def follow(rank: int) -> None:
        try:
            links = TensorLinks(store, plan, rank, CPU)
            Follower(links, Miniature(kind, plan.shards[rank])).follow_instructions()
        except BaseException as fault:  # noqa: BLE001 - raised below
            faults.append(fault)

    threads = [
        threading.Thread(target=follow, args=(r,), daemon=True) for r in range(1, plan.ranks)
    ]
    for thread in threads:
        thread.start()
    links = TensorLinks(store, plan, 0, CPU)
    leader = Leader(links, {"x": np.zeros(1)}, seed_of, pose_of)
    own = Miniature(kind, plan.shards[0])
    yield CausalDenoiser(own.prepare_denoising({}, leader.seeds.seed_of, pose_of), leader)
    links.tell_all(Instruction(Kind.END))
    links.flush()
    for thread in threads:
        thread.join(60)
    assert not faults, faults


def make_clips(loop: CausalDenoiser, clips: range, *, ahead: bool = False) -> list[np.ndarray]:
    """The latents after each step of some clips; `ahead`: each clip is begun before the one before has come back, where it may be."""
    made, begun = [], clips.start
    for clip in clips:
        while ahead and begun < clips.stop and begun <= clip + loop.clips_ahead:
            loop.begin_clip(sound(LATENTS, seed=begun))
            begun += 1
        made.append(loop.denoise(sound(LATENTS, seed=clip)).steps)
    return made


def copy_carry(loop: CausalDenoiser) -> list[tuple[str, np.ndarray]]:
    """All of it."""
    return [(name, bits.copy()) for name, bits in loop.carry()]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whether they are the same to the bit."""
    return len(one) == len(other) and all(map(np.array_equal, one, other))
