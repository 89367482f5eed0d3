"""A clip-wise film whose guidance two ranks share is that of one, to the bit."""

import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed import HashStore

from model.kv.kv_shape import Shard
from model.sampling.clipwise import ClipwiseDenoiser, Guidance
from model.sampling.noise import SeededNoise
from model.sampling.schedule import make_schedule
from model.sampling.shard_plan import plan_guidance
from model.sharding.follower import Follower
from model.sharding.guided_denoiser import GuidedDenoiser
from model.sharding.instructions import Instruction, Kind
from model.sharding.leader import Leader
from model.sharding.links import TensorLinks
from tests.model.sharding.ranks import seed_of
from tests.model.small import CHANNELS, SIZES, draw, rounded, small_scene, small_transformer, sound

LATENTS, STEPS, CPU = 5, 3, torch.device("cpu")
NOTHING = draw(1, CHANNELS, 0, 8, 8)
PLAN = plan_guidance(Shard(range(STEPS), range(SIZES["num_layers"])))


class Model:
    """A small clip-wise model, the same in each rank."""

    def __init__(self, transformer: Any) -> None:
        self._transformer = transformer

    def denoiser(self, inputs: Any, seed: Any, poses: Any = None) -> ClipwiseDenoiser:
        scene = small_scene(
            latents=LATENTS,
            motion=NOTHING,
            pose=None if poses is None else lambda clip: torch.from_numpy(poses(clip))[None],
        )
        guidance = Guidance(4.5, draw(1, 2, SIZES["text_dim"], seed=9))
        schedule = make_schedule(STEPS, "unipc_shift_once")
        noise = SeededNoise(seed, (4, 30))
        return ClipwiseDenoiser(self._transformer, schedule, scene, noise, guidance)


def motion_of(clip: int) -> np.ndarray:
    """What a clip follows [c, m, h, w], as the decoder gives it."""
    return draw(CHANNELS, 19, 8, 8, seed=40 + clip).numpy()


def pose_of(clip: int) -> np.ndarray:
    """Pose latents of a clip, which only rank 0 has a way to."""
    return draw(CHANNELS, LATENTS, 8, 8, seed=clip).numpy()


def make_film(loop: Any, clips: range) -> list[np.ndarray]:
    """The latents of each clip after each step, each behind the motion of the one before."""
    made = []
    for clip in clips:
        loop.restore(clip, [("motion", motion_of(clip))] if clip else ())
        made.append(loop.denoise(sound(LATENTS, seed=clip)).steps)
    return made


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_two_ranks_make_the_latents_of_one(precision: str) -> None:
    """Every step of every clip, also of a film that is begun anew and gone on with elsewhere; each rank computes one forward of a step."""
    model = small_transformer() if precision == "float32" else rounded(small_transformer())
    counted: dict[str, int] = {}
    through = model.through_blocks

    def count(*given: Any, **more: Any) -> Any:
        name = threading.current_thread().name
        counted[name] = counted.get(name, 0) + 1
        return through(*given, **more)

    alone = make_film(Model(model).denoiser({}, seed_of, pose_of), range(3))
    model.through_blocks = count  # type: ignore[method-assign]
    store, faults = HashStore(), list[BaseException]()

    def follow() -> None:
        try:
            links = TensorLinks(store, PLAN, 1, CPU)
            Follower(links, Model(model)).follow_instructions()
        except BaseException as fault:  # noqa: BLE001 - raised below
            faults.append(fault)

    thread = threading.Thread(target=follow, name="rank 1", daemon=True)
    thread.start()
    links = TensorLinks(store, PLAN, 0, CPU)
    leader = Leader(links, {"x": np.zeros(1)}, seed_of, pose_of)
    both = GuidedDenoiser(Model(model).denoiser({}, leader.seeds.seed_of, pose_of), leader)
    assert all(map(np.array_equal, make_film(both, range(3)), alone))
    assert counted == {threading.current_thread().name: 3 * STEPS, "rank 1": 3 * STEPS}
    assert all(map(np.array_equal, make_film(both, range(1, 3)), alone[1:]))
    assert [name for name, _ in both.carry()] == []
    links.tell_all(Instruction(Kind.END))
    links.flush()
    thread.join(60)
    assert not faults, faults
