"""A share of the tokens outside of attention, a share of the heads inside: together the ranks do what one does."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from model.kv.kv_cache import KVCacheConfig
from model.kv.kv_shape import Shard
from model.s2v.attention import attend_all
from model.s2v.conditioning import Conditioning
from model.s2v.config import S2VConfig
from model.s2v.transformer import S2VTransformer
from model.sampling.causal_stage import BlockTask, CausalStage, DenoisingSetup
from model.sampling.head_share import ALONE, HeadShare
from model.sampling.noise import SeededNoise
from model.sampling.schedule import make_schedule
from model.sampling.shard_plan import plan_heads, plan_one
from model.sampling.task_runner import TaskRunner
from tests.model.small import draw

HEADS, WIDTH, FRAMES, RUN = 4, 8, 3, 8


class Meeting:
    """An all-to-all of threads."""

    def __init__(self, ranks: int) -> None:
        self._given: dict[int, Tensor] = {}
        self._barrier = threading.Barrier(ranks)

    def exchange_for(self, rank: int) -> Callable[[Tensor], Tensor]:
        def exchange(parts: Tensor) -> Tensor:
            self._given[rank] = parts
            self._barrier.wait(60)
            came = torch.stack([self._given[other][rank] for other in sorted(self._given)])
            self._barrier.wait(60)
            return came

        return exchange


def on_ranks(ranks: int, work: Callable[[HeadShare], Tensor]) -> list[Tensor]:
    """What each rank makes."""
    meeting, made = Meeting(ranks), dict[int, Tensor]()

    def do_part(rank: int) -> None:
        made[rank] = work(HeadShare(rank, ranks, meeting.exchange_for(rank)))

    threads = [threading.Thread(target=do_part, args=(rank,)) for rank in range(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [made[rank] for rank in range(ranks)]


@pytest.mark.parametrize("frames", [1, FRAMES])
@pytest.mark.parametrize("ranks", [2, 4])
def test_attention_by_heads_is_attention(ranks: int, frames: int) -> None:
    """Each rank has its own tokens of every frame, asks with them alone, and sees all."""
    qkv = draw(3, 1, frames * RUN, HEADS, WIDTH)

    def attend(share: HeadShare) -> Tensor:
        own = [share.take_tokens(x.flatten(2), frames) for x in qkv]
        assert own[0].shape[1] == frames * RUN // ranks
        q, k, v = (x.unflatten(-1, (HEADS, WIDTH)) for x in own)
        attended = share.attend_by_heads(attend_all, frames)(q, k, v)
        assert attended.shape == q.shape
        return share.gather_tokens(attended.flatten(2), frames)

    truth = attend_all(*qkv).flatten(2)
    for whole in on_ranks(ranks, attend):
        assert torch.allclose(whole, truth, atol=1e-6)


def test_each_frame_is_shared_out() -> None:
    """The first of two ranks has the first half of each latent frame: sound is injected frame by frame."""
    numbers = torch.arange(12.0).view(1, 12, 1)
    first, second = on_ranks(2, lambda share: share.take_tokens(numbers, 3))
    assert first.flatten().tolist() == [0, 1, 4, 5, 8, 9]
    assert second.flatten().tolist() == [2, 3, 6, 7, 10, 11]


def test_whoever_is_alone_exchanges_nothing() -> None:
    """Tokens and attention are passed through as they are."""
    tokens = draw(1, 6, 2)
    assert ALONE.take_tokens(tokens, 3) is tokens
    assert ALONE.gather_tokens(tokens, 3) is tokens
    assert ALONE.attend_by_heads(attend_all, 3) is attend_all


@pytest.mark.parametrize("eight", [False, True])
def test_at_the_published_size_a_share_is_what_is_told(eight: bool) -> None:
    """Shapes alone, on a device without numbers: 20 heads and 528 tokens of each frame for each of two ranks, 8.1 MB of each of q, k and v for the other."""
    config = S2VConfig(num_layers=1, audio_inject_layers=(0,), rounding="never")
    with torch.device("meta"):
        model = S2VTransformer(config).bfloat16().requires_grad_(False)
    picture, past = (torch.empty(1, 16, t, 48, 88, device="meta") for t in (1, 19))
    scene = Conditioning(picture, past, torch.empty(1, 9, 4096, device="meta"), 12)
    schedule = make_schedule(4, config.sigmas)
    noise, cached = SeededNoise(0, config.roll), KVCacheConfig(eight=eight)
    shard = plan_heads(Shard(range(4), range(1)), 2).shards[1]
    sizes = list[int]()

    def exchange(parts: Tensor) -> Tensor:
        assert parts.is_contiguous()
        sizes.append(parts[0].nbytes)
        return torch.empty_like(parts)

    setup = DenoisingSetup(model, schedule, scene, noise, cached)
    stage = CausalStage(setup, shard, HeadShare(1, 2, exchange))
    runner = TaskRunner(stage, plan_one(shard), 0, keeps=False)
    stage.begin_clip(0, np.zeros((25, 1024, 48), np.float32))
    runner.prefill()
    runner.run_task(BlockTask(0, 0, 0))
    assert stage.cache.shape.heads == 20
    condition, back, block, block_back, behind = sizes
    assert (condition, back) == (3 * 1320 * 2560 * 2, 1320 * 2560 * 2)
    assert (block, block_back) == (3 * 1584 * 2560 * 2, 1584 * 2560 * 2)
    assert behind == 1584 * 64 * 4
