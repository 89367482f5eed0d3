"""Processes that wait to be ranks: they end with whoever started them, and are let go where there is nothing to do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from model.avatar import DeviceConfig, Options
from model.loader import load_model
from model.sharding import follower_processes
from model.sharding.follower_processes import FollowerOrder, followers_started, order_follower
from storage.errors import BadOption
from tests.waiting import LONG, wait_until

NOWHERE = FollowerOrder(1, 2, 9, {})
"""Nobody keeps a store at that port."""


def children() -> set[psutil.Process]:
    return set(psutil.Process().children())


def test_those_without_an_order_are_ended() -> None:
    """As of a request that is refused while they start."""
    before = children()

    def refuse() -> None:
        with followers_started(2):
            assert len(children() - before) == 2
            raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        refuse()
    assert children() == before


def test_ranks_that_cannot_be_are_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume asks for them when the model is loaded: 98 Pythons that import torch would hold up the machine for minutes before the refusal."""
    monkeypatch.setattr(follower_processes, "_start", lambda: pytest.fail("one was started"))
    machine = DeviceConfig(gpus=tuple(range(99)))
    with pytest.raises(BadOption, match="--gpus 99 cannot be used: there are 6 layers"):
        load_model("pocket", Options(64, 64), machine)


def test_one_that_waits_is_taken_before_another_is_started() -> None:
    """And it is no more ended as one without an order."""
    before = children()
    with followers_started(1):
        (waiting,) = children() - before
        process = order_follower(NOWHERE)
        assert process.pid == waiting.pid
    assert process.poll() is None
    process.kill()
    process.communicate()


def test_one_that_has_died_is_not_taken() -> None:
    """Another is started in its place."""
    before = children()
    with followers_started(1):
        (waiting,) = children() - before
        waiting.kill()
        wait_until(lambda: waiting.status() == psutil.STATUS_ZOMBIE)
        process = order_follower(NOWHERE)
        assert process.pid != waiting.pid
    assert children() - before == {psutil.Process(process.pid)}
    process.kill()
    process.communicate()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_what_stops_a_film_does_not_reach_them(stop: signal.Signals) -> None:
    """Ctrl-C goes to every process of the terminal, SIGTERM to every one of a job: they say nothing, and wait on, also where Python itself is still starting."""
    with followers_started(1):
        process = order_follower(NOWHERE)
        process.send_signal(stop)
        wait_until(lambda: ignores(stop, process.pid))
        for _ in range(3):
            process.send_signal(stop)
        assert process.poll() is None
        process.kill()
        process.communicate()


def ignores(stop: signal.Signals, process: int) -> bool:
    facts = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return bool(int(facts.partition("SigIgn:")[2].split()[0], 16) & 1 << (stop - 1))


def test_they_end_with_the_process_that_started_them() -> None:
    """However it ends, while they wait; also where they were started by another thread than its first."""
    code = """
import sys, threading, time
from model.sharding.follower_processes import followers_started
def begin():
    with followers_started(1):
        print("begun", flush=True)
        time.sleep(60)
thread = threading.Thread(target=begin)
thread.start() if sys.argv[1] == "thread" else begin()
time.sleep(60)
"""
    for where in ("main", "thread"):
        parent = subprocess.Popen([sys.executable, "-c", code, where], stdout=subprocess.PIPE)
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"begun\n"
        (waiting,) = psutil.Process(parent.pid).children()
        os.kill(parent.pid, signal.SIGKILL)
        parent.communicate()
        wait_until(lambda waiting=waiting: not waiting.is_running())


def test_they_run_the_code_of_the_process_that_starts_them(tmp_path: Path) -> None:
    """Not that of another checkout whose packages are installed: ranks of two versions are refused."""
    (tmp_path / "model" / "sharding").mkdir(parents=True)
    for package in ("model", "model/sharding"):
        (tmp_path / package / "__init__.py").touch()
    told = "import os; run_started_rank = lambda *_: os.write(2, b'this one')"
    (tmp_path / "model" / "sharding" / "rank_process.py").write_text(told)
    code = """
import sys
from model.sharding.follower_processes import _start
sys.path.insert(0, sys.argv[1])
_start().wait()
"""
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, timeout=LONG
    )
    assert said.stderr == b"this one"
