"""Tensors from rank to rank: by way of the host where two ranks are on one card."""

import threading

import pytest
import torch
from torch.distributed import HashStore

from model.avatar import DeviceConfig, Options
from model.kv.kv_shape import Shard
from model.sampling.shard_plan import TENSORS_UNDER_WAY, ShardPlan, plan_heads, plan_layers
from model.sharding.links import TensorLinks
from model.sharding.rank_store import make_job

WHOLE = Shard(range(4), range(6))
PLAN = plan_layers(WHOLE, [3, 3])


def connect(*, through_host: bool, device: str, plan: ShardPlan = PLAN) -> list[TensorLinks]:
    """Both ranks of a plan, in one process."""
    store, made = HashStore(), dict[int, TensorLinks]()

    def join(rank: int) -> None:
        made[rank] = TensorLinks(store, plan, rank, torch.device(device), through_host=through_host)

    threads = [threading.Thread(target=join, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [made[0], made[1]]


def test_by_way_of_the_host_a_tensor_arrives_on_the_device() -> None:
    """What is on its way lies on the host; who takes it finds it where the like of it is ("meta" stands for a card here)."""
    here, there = connect(through_host=True, device="cuda")
    like = torch.empty(2, 3, device="meta")
    arriving = there.expect(0, like)
    assert arriving.tensor.device == torch.device("cpu")
    here.send(1, torch.arange(6.0).view(3, 2).t())
    assert arriving.wait().device == like.device
    assert arriving.tensor.tolist() == [[0, 2, 4], [1, 3, 5]]


def test_few_tensors_are_kept_for_a_rank() -> None:
    """Each is a block's tokens: whoever takes none of them holds up the sender, not its memory."""
    here, there = connect(through_host=False, device="cpu")
    sent = list[int]()

    def send() -> None:
        for number in range(3 * TENSORS_UNDER_WAY):
            here.send(1, torch.full((200_000,), float(number)))
            sent.append(number)

    thread = threading.Thread(target=send)
    thread.start()
    thread.join(2)
    assert len(sent) == TENSORS_UNDER_WAY
    like = torch.empty(200_000)
    arrived = [float(there.expect(0, like).wait()[-1]) for _ in range(3 * TENSORS_UNDER_WAY)]
    assert arrived == [float(number) for number in range(3 * TENSORS_UNDER_WAY)]
    thread.join(60)
    assert len(sent) == 3 * TENSORS_UNDER_WAY


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_parts_are_exchanged(kind: torch.dtype) -> None:
    """Part i goes to rank i, in the order of those that gave them; also by way of the host, in any precision, and more than once."""
    ranks = connect(through_host=True, device="cuda", plan=plan_heads(WHOLE, 2))
    came = dict[int, list[list[float]]]()

    def exchange(rank: int) -> None:
        given = torch.tensor([[10.0 * rank], [10.0 * rank + 1]], dtype=kind)
        with torch.inference_mode():
            came[rank] = [ranks[rank].exchange(given + turn).flatten().tolist() for turn in (0, 2)]

    threads = [threading.Thread(target=exchange, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert came == {0: [[0, 10], [2, 12]], 1: [[1, 11], [3, 13]]}


@pytest.mark.parametrize(
    ("device", "gpus", "shares"),
    [("cuda", (0, 0), True), ("cuda", (0, 1), False), ("cpu", (0, 0), False), ("cuda", (), False)],
)
def test_a_job_knows_whether_ranks_share_a_card(
    device: str, gpus: tuple[int, ...], shares: bool
) -> None:
    """On a CPU there is no card to share."""
    job = make_job("pocket", Options(64, 64), DeviceConfig(gpus=gpus), device, PLAN)
    assert job.shares_card is shares
