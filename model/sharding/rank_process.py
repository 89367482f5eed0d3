"""The process of a rank other than 0, from its first step to its end."""

import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn

import torch

from model.registry import load_in_process
from model.sharding.follower import Follower
from model.sharding.follower_processes import FollowerOrder
from model.sharding.launcher_env import RankPlace, show_one_card
from model.sharding.links import HOST, TensorLinks
from model.sharding.rank_group import describe_failure, is_of_link
from model.sharding.rank_monitor import RankLoss, RankMonitor, silence_limit
from model.sharding.rank_store import (
    DONE,
    JOB,
    QUIET_WAIT,
    STORE_PATIENCE,
    RankJob,
    decode_job,
    name_keys,
    name_own_card,
    open_store,
    wait_for_key,
)
from storage.errors import RankLost

_SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


def run_started_rank(parent: int, dies: int) -> NoReturn:
    """A rank that process `parent` starts: it waits for its order, and ends when that process does, however it ends; `dies`: Linux sees to that."""
    if dies and sys.platform == "linux":
        # Also one that is stopped: its own threads do not get to run.
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(RankLost.exit_code)
    told = sys.stdin.buffer.readline()
    if not told:
        os._exit(0)
    order = FollowerOrder(**json.loads(told))
    os.environ.update(order.environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run_rank(RankPlace(order.rank, order.ranks, HOST, order.port))


def run_launched_rank(place: RankPlace) -> NoReturn:
    """A rank that a launcher has started; of several cards it sees its own alone."""
    if (local := os.environ.get("LOCAL_RANK", "")).isdecimal():
        show_one_card(int(local))
    run_rank(place)


def run_rank(place: RankPlace) -> NoReturn:
    """Join, follow, and end this process. Whatever goes wrong is told to the other ranks, and ends this process at once."""
    # Ctrl-C reaches every process of the terminal: rank 0 decides when the ranks end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    limit = silence_limit()  # refused before the store is waited for
    notice = _say_wait_later(place)
    store = name_keys(open_store(place), place.prefix)
    monitor = RankMonitor(store, place.rank, place.ranks, limit, _end_process)
    monitor.open()
    try:
        found = wait_for_key(store, [JOB, DONE], lambda: True)
        notice.cancel()
        if found == JOB:
            _join_and_follow(store, place)
        monitor.close()
        # An ordinary end takes down gloo and torch, which may wait for ranks that are gone, or for very long on busy cores.
        sys.stdout.flush()
        os._exit(0)
    except BaseException as fault:  # noqa: BLE001 - told, and then the process ends
        if is_of_link(fault):
            # Another rank is gone: whoever finds that says so first.
            time.sleep(limit / 2)
        monitor.report(RankLoss(place.rank, f"failed: {describe_failure(fault)}"))
        os._exit(RankLost.exit_code)


def _join_and_follow(store: Any, place: RankPlace) -> None:
    job = decode_job(store.get(JOB))
    refusal = job.find_difference(place.rank)
    answer = {
        "refusal": refusal,
        "process": os.getpid(),
        "host": socket.gethostname(),
        "card": "" if refusal else name_own_card(job.device),
    }
    store.set(f"joined-{place.rank}", json.dumps(answer))
    if refusal:
        threading.Event().wait()  # rank 0 reads why, and ends this process
    links_store = name_keys(open_store(place), place.prefix)
    device = torch.device(job.device)
    links = TensorLinks(links_store, job.plan, place.rank, device, through_host=job.shares_card)
    # While rank 0 encodes prompt and picture; what it says meanwhile waits in the link.
    avatar = _load(job, place.rank)
    avatar.load_denoiser()
    Follower(links, avatar).follow_instructions()


def _say_wait_later(place: RankPlace) -> threading.Timer:
    """Say on stderr that rank 0 is waited for, unless the timer is cancelled before: this rank has no run, and so no log."""
    most = (
        "as long as the launcher lets it"
        if place.agent_store  # which is there from the start: rank 0's job comes when that comes to it
        else f"at most {STORE_PATIENCE.total_seconds():g} s"
    )
    words = f"[INFO] Rank {place.rank} waits for rank 0 (port {place.port}), {most}"
    timer = threading.Timer(QUIET_WAIT, _write_line, (words,))
    timer.daemon = True
    if place.launched:
        timer.start()
    return timer


def _write_line(words: str) -> None:
    with suppress(OSError):
        os.write(2, f"{words}\n".encode())


def _load(job: RankJob, rank: int) -> Any:
    machine = replace(job.machine, shard=job.plan.shards[rank], gpus=())
    return load_in_process(job.model, job.options, machine)


def _end_process(_loss: RankLoss) -> None:
    os._exit(RankLost.exit_code)


def _end_with_parent() -> None:
    # Nothing more is ever written: it returns when the other end is closed.
    sys.stdin.buffer.read(1)
    os._exit(RankLost.exit_code)
