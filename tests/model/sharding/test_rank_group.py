"""Rank 0 and the processes that it starts: who may join, and what becomes of a fault in one of them."""

import signal
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest

from model.avatar import DeviceConfig, Options
from model.kv.kv_shape import Shard
from model.sampling.causal_stage import BlockTask
from model.sampling.shard_plan import plan_steps
from model.sharding.instructions import Instruction, Kind
from model.sharding.links import SentTensors
from model.sharding.rank_group import RankGroup
from model.sharding.rank_monitor import LIMIT
from model.sharding.rank_store import RankJob, make_job
from storage.errors import BadOption, RankLost
from tests.waiting import wait_until

Processes = Callable[[], list[psutil.Process]]


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> RankJob:
    """A film of pocket on three ranks."""
    monkeypatch.setenv(LIMIT, "6")
    plan = plan_steps(Shard(range(4), range(6)), 3)
    return make_job("pocket", Options(64, 64), DeviceConfig(gpus=(0, 1, 2)), "cpu", plan)


@pytest.fixture
def ranks_left() -> Processes:
    """The processes that this one has started since and not ended; another test's fork server may be there from before."""
    before = psutil.Process().children()
    return lambda: [each for each in psutil.Process().children() if each not in before]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda job: replace(job, code="0"), "rank 1 runs another version of longtake"),
        (lambda job: replace(job, weights="0"), "rank 1 has other weights of pocket"),
        (lambda job: replace(job, torch="1.0"), r"rank 1 has torch .*, and rank 0 has 1\.0"),
    ],
    ids=["code", "weights", "torch"],
)
def test_ranks_of_another_kind_are_refused(
    job: RankJob, change: Callable[[RankJob], RankJob], line: str, ranks_left: Processes
) -> None:
    """Before any weight is read; no process is left."""
    with pytest.raises(BadOption, match=line):
        RankGroup(change(job))
    assert not ranks_left()


def test_a_fault_in_a_rank_is_told_by_rank_0(job: RankJob, ranks_left: Processes) -> None:
    """By its number and its words, where rank 0 next needs the ranks; all processes are ended."""
    group = RankGroup(job)
    group.links.tell(2, Instruction(Kind.RUN_TASK, BlockTask(0, 0)))  # nothing has been set up
    line = "Rank 2 of 3 failed: AssertionError: no film has been set"
    with pytest.raises(RankLost, match=line), group.blame_rank():
        group.links.receive_piece(2, 8)
    assert not ranks_left()


def test_work_that_ends_although_a_rank_is_lost_is_not_taken(job: RankJob) -> None:
    """On a card what waits for a rank that is gone is let go, and goes on with numbers that are worth nothing."""
    group = RankGroup(job)

    def work() -> None:
        with group.blame_rank():
            psutil.Process(group.processes[1]).kill()
            wait_until(lambda: group.loss)

    with pytest.raises(RankLost, match="Rank 1 of 3 was killed by SIGKILL"):
        work()


def test_ranks_end_when_they_are_told(job: RankJob) -> None:
    """Each with code 0."""
    group = RankGroup(job)
    processes = dict(group._processes)
    with group.blame_rank():
        group.links.end_all()
    group.close()
    assert [process.poll() for process in processes.values()] == [0, 0]


def test_a_rank_that_has_ended_is_no_loss(job: RankJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its link is closed before the send to it has been waited for: the other ranks are told all the same."""
    group = RankGroup(job)
    processes = dict(group._processes)
    waited = SentTensors.wait_all

    def wait_late(sent: SentTensors) -> None:
        waited(sent)
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(SentTensors, "wait_all", wait_late)
    with group.blame_rank():
        group.links.end_all()
    group.close()
    assert [process.poll() for process in processes.values()] == [0, 0]


def test_a_rank_that_is_stopped_before_it_joins_is_named(
    job: RankJob, monkeypatch: pytest.MonkeyPatch, ranks_left: Processes
) -> None:
    """It has no heartbeat yet that could be missed."""
    monkeypatch.setenv(LIMIT, "2")
    begin = RankGroup._start_followers

    def begin_and_stop(group: RankGroup, given: RankJob) -> None:
        begin(group, given)
        group._processes[1].send_signal(signal.SIGSTOP)

    monkeypatch.setattr(RankGroup, "_start_followers", begin_and_stop)
    with pytest.raises(RankLost, match=r"Rank 1 of 3 was stopped, for 2 s\."):
        RankGroup(job)
    assert not ranks_left()
