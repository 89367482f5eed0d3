"""Which cards the ranks get: what is missing or named wrongly is found before a rank is started. The driver is played."""

from dataclasses import replace

import pytest
import torch

from model.avatar import FP8, DeviceConfig, Options
from model.device import nvml
from model.kv.kv_shape import Shard
from model.sampling.shard_plan import plan_even_layers
from model.sharding import rank_store, sharded_avatar
from model.sharding.cards import KnownCard, find_cards, least_free, list_known_cards
from model.sharding.plan_choice import choose_shards
from model.sharding.rank_group import find_shared_card
from model.sharding.rank_store import RankJob, make_job
from model.sharding.sharded_avatar import choose_plan
from storage.errors import BadOption

TWO = [KnownCard("GPU-aa11", int(23e9)), KnownCard("GPU-bb22", int(9e9))]
CARDS = "CUDA_VISIBLE_DEVICES"
FILM = Options(704, 384, precision=FP8)


@pytest.mark.parametrize(
    ("told", "gpus", "found"),
    [
        ({}, (0, 1), ["GPU-aa11", "GPU-bb22"]),
        ({CARDS: "1,0"}, (0, 1), ["GPU-bb22", "GPU-aa11"]),
        ({CARDS: "GPU-bb"}, (0,), ["GPU-bb22"]),
        ({CARDS: "1", "LONGTAKE_CARDS": "0,1"}, (1, 0), ["GPU-bb22", "GPU-aa11"]),
        ({CARDS: "0,7"}, (0,), ["GPU-aa11"]),
        ({}, (1, 1), ["GPU-bb22", "GPU-bb22"]),
    ],
)
def test_cards_are_found_as_cuda_reads_them(
    told: dict[str, str], gpus: tuple[int, ...], found: list[str]
) -> None:
    """By number or by the beginning of its own; what lies behind those that are asked for is no matter; one that is asked for twice is meant so."""
    assert [card.uuid for card in find_cards(gpus, TWO, told)] == found


@pytest.mark.parametrize(
    ("told", "gpus", "line"),
    [
        ({}, (0, 2), "--gpus 0,2 cannot be used: card 2 is not there: this machine has 2"),
        ({CARDS: "1"}, (0, 1), f"card 1 is not there: {CARDS}=1 names 1"),
        ({CARDS: "0,7"}, (0, 1), f"{CARDS} 0,7 cannot be used: 7 is not one card; there are 0"),
        ({CARDS: "7,0"}, (1,), "7 is not one card"),
        ({CARDS: "GPU-"}, (0,), "GPU- is not one card"),
        ({CARDS: "GPU-cc"}, (0,), r"there are 0 \(GPU-aa11\), 1 \(GPU-bb22\)"),
        ({CARDS: "0,GPU-aa11"}, (0, 1), "names a card twice"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(
    told: dict[str, str], gpus: tuple[int, ...], line: str
) -> None:
    """With what there is."""
    with pytest.raises(BadOption, match=line):
        find_cards(gpus, TWO, told)


def test_the_smallest_card_decides_what_is_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cards: the first alone holds all layers, the second would not."""
    monkeypatch.delenv(CARDS, raising=False)
    monkeypatch.setattr(sharded_avatar, "bytes_free", lambda *_: int(80e9))
    machine = DeviceConfig(gpus=(0, 1))
    for free, mode in ((80e9, "steps"), (24e9, "layers")):
        known = [KnownCard("GPU-a", int(80e9)), KnownCard("GPU-b", int(free))]
        monkeypatch.setattr(sharded_avatar, "list_known_cards", lambda known=known: known)
        assert choose_plan("live-avatar", FILM, machine).plan.mode == mode
    with pytest.raises(BadOption, match="card 3 is not there"):
        choose_plan("live-avatar", FILM, replace(machine, gpus=(0, 3)))


@pytest.mark.parametrize(("name", "device"), [("pocket", "auto"), ("live-avatar", "cpu")])
def test_processes_on_a_cpu_need_no_cards(
    name: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many the driver knows."""
    monkeypatch.setattr(sharded_avatar, "list_known_cards", lambda: pytest.fail("it was asked"))
    options = FILM if name == "live-avatar" else Options(64, 64)
    machine = DeviceConfig(device=device, gpus=(0, 5), parallel="steps")
    assert choose_plan(name, options, machine).plan.ranks == 2


def test_what_the_driver_tells_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free is what nobody uses; a card that tells nothing counts for nothing; without a driver nobody knows."""
    readings = {"GPU-a": nvml.GpuReading("A", int(3e9), int(24e9), None, None), "GPU-b": None}
    monkeypatch.setattr(nvml, "list_gpus", lambda: list(readings))
    monkeypatch.setattr(nvml, "read_gpu", readings.get)
    known = list_known_cards()
    assert known == [KnownCard("GPU-a", int(21e9)), KnownCard("GPU-b", None)]
    assert least_free(known) == int(21e9)
    assert least_free([]) is None
    monkeypatch.setattr(nvml, "list_gpus", lambda: 1 / 0)
    assert list_known_cards() is None


@pytest.fixture
def job() -> RankJob:
    """Four ranks by ten layers, each on a card."""
    machine = DeviceConfig(device="cuda", gpus=(0, 1, 2, 3), parallel="layers", offload=False)
    plan = plan_even_layers(Shard(range(4), range(40)), 4)
    return RankJob("live-avatar", FILM, machine, "cuda", plan, "", "", torch.__version__)


@pytest.mark.parametrize(
    ("rank", "free", "line"),
    [
        (1, 14.5e9, ""),
        (1, 9e9, "has 9.0 GB of its card free, and its part needs 14.2"),
        (0, 14e9, "has 14.0 GB of its card free, and its part needs 20.3"),
    ],
)
def test_a_rank_whose_card_is_smaller_or_full_does_not_join(
    job: RankJob, rank: int, free: float, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at its own card, by its own part; rank 0 decodes, too. No weight is there to be read."""
    monkeypatch.setattr(rank_store, "digest_code", lambda: "")
    monkeypatch.setattr(rank_store, "weights_digest", lambda *_, **__: "")
    monkeypatch.setattr(rank_store, "bytes_free", lambda *_: int(free))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert job.find_difference(rank) == line


def test_two_ranks_on_one_card_are_found() -> None:
    """As each has said which it sees; on a CPU none has one."""
    assert find_shared_card(["GPU-a", "GPU-b", "GPU-a"]) == (0, 2)
    assert find_shared_card(["GPU-a", "GPU-b"]) == ()
    assert find_shared_card(["", ""]) == ()


def test_ranks_without_a_card_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: it sees none, whatever rank 0 sees."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a card")
    from model.sharding.rank_group import RankGroup

    plan = choose_shards("pocket", Options(64, 64), DeviceConfig(parallel="steps"), 2, None).plan
    with pytest.raises(BadOption, match="rank 1 has no card that torch can use"):
        RankGroup(make_job("pocket", Options(64, 64), DeviceConfig(gpus=(0, 1)), "cuda", plan))
