"""Rank 0's hold on the other ranks: it starts them (or finds those that torchrun started), gives them their job, and ends them."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from model.sharding.follower_processes import FollowerOrder, order_follower
from model.sharding.launcher_env import RankPlace, card_environment, read_launched_place
from model.sharding.links import HOST, TensorLinks
from model.sharding.protocols import HearWait, hear_nothing
from model.sharding.rank_monitor import TICKS, RankLoss, RankMonitor, silence_limit
from model.sharding.rank_store import (
    DONE,
    JOB,
    QUIET_WAIT,
    RankJob,
    name_keys,
    name_own_card,
    open_store,
    wait_for_key,
)
from storage.errors import BadOption, LongtakeError, RankLost, RunError

JOINING = 300.0
"""Seconds within which a rank must have joined: it imports its libraries from a slow disk, at the worst."""
TELLING, LAST_WORDS = 5.0, 15.0
"""Seconds in which a fault finds its cause; in which work that hangs for a lost rank must have ended by itself."""
LINK_WORDS = ("gloo", "nccl", "peer", "connection", "socket", "store")
_END_CODE = RankLost.exit_code


class RankGroup:
    """All ranks of one job, seen from rank 0."""

    def __init__(self, job: RankJob, hear_wait: HearWait = hear_nothing) -> None:
        """Let the others join; raises BadOption where one cannot, RankLost where one does not. No weight is read before."""
        launched, limit = read_launched_place(), silence_limit()
        self._place = launched or RankPlace(0, job.plan.ranks, HOST, 0)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._working = 0
        self._stopped: dict[int, int] = {}
        """How many times in a row a process was seen stopped."""
        tcp = open_store(self._place, keeps=not self._place.agent_store)
        self._place = replace(self._place, port=tcp.port)
        self._store = name_keys(tcp, self._place.prefix)
        self._monitor = RankMonitor(self._store, 0, job.plan.ranks, limit, self._on_loss)
        self._monitor.polls = [self._poll_processes]
        try:
            self._store.set(JOB, job.encode())
            if launched is None:
                self._start_followers(job)
            self._monitor.open()
            self._wait_for_ranks(job, hear_wait)
            with self.blame_rank():
                # By a connection of its own: one that waits would hold up the heartbeat.
                store = name_keys(open_store(self._place), self._place.prefix)
                device = torch.device(job.device)
                self.links = TensorLinks(store, job.plan, 0, device, through_host=job.shares_card)
        except BaseException:
            self.abandon()
            raise

    @property
    def loss(self) -> RankLoss | None:
        """The rank that is lost, if one is."""
        return self._monitor.loss

    @property
    def processes(self) -> dict[int, int]:
        """Each rank's process, by its number."""
        others = range(1, self._place.ranks)
        return {0: os.getpid()} | {rank: int(self._answer(rank)["process"]) for rank in others}

    @contextmanager
    def blame_rank(self) -> Iterator[None]:
        """Work that needs all ranks: whatever goes wrong ends them, and is told as the rank's fault that it was. Raises RankLost."""
        self._working += 1
        try:
            self._raise_if_lost()
            yield
            # What a card waited for was let go: what it computed since is worth nothing.
            self._raise_if_lost()
        except (RankLost, RunError):  # of a run that is damaged, no rank is to blame
            raise
        except Exception as fault:
            loss = self._find_cause(fault)
            self.abandon()
            raise self._lost(loss) from fault
        finally:
            self._working -= 1

    def close(self) -> None:
        """The ranks have been told to end: wait until they have."""
        self._monitor.close()
        for process in self._processes.values():
            try:
                process.wait(silence_limit())
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # Else NCCL's own threads look for the store until this process ends, and write stacks of C++ where they find none.
        self.links.abort()
        self._close_inputs()

    def _close_inputs(self) -> None:
        for process in self._processes.values():
            assert process.stdin is not None
            process.stdin.close()

    def abandon(self) -> None:
        """End all other ranks at once."""
        self._monitor.close()
        self._kill_followers()

    def _start_followers(self, job: RankJob) -> None:
        for rank in range(1, job.plan.ranks):
            cards = card_environment(job.machine.gpus[rank]) if job.device == "cuda" else {}
            order = FollowerOrder(rank, job.plan.ranks, self._place.port, cards)
            self._processes[rank] = order_follower(order)

    def _wait_for_ranks(self, job: RankJob, hear_wait: HearWait) -> None:
        begun, is_due = time.monotonic(), self._place.launched

        def is_waiting() -> bool:
            nonlocal is_due
            self._raise_if_lost()
            waited = time.monotonic() - begun
            if is_due and waited > QUIET_WAIT:
                is_due = False
                hear_wait(self._find_missing(), JOINING)
            return waited < JOINING

        with self.blame_rank():
            for rank in range(1, job.plan.ranks):
                if wait_for_key(self._store, [f"joined-{rank}"], is_waiting) is None:
                    self._monitor.report(RankLoss(rank, f"has not joined within {JOINING:g} s"))
                    self._raise_if_lost()
        answers = {rank: self._answer(rank) for rank in range(1, job.plan.ranks)}
        for rank, answer in answers.items():
            if answer["refusal"]:
                raise BadOption("--gpus", job.plan.ranks, f"rank {rank} {answer['refusal']}")
        if refusal := job.find_difference(0):
            raise BadOption("--gpus", job.plan.ranks, f"rank 0 {refusal}")
        cards = [name_own_card(job.device), *(answer["card"] for answer in answers.values())]
        if twice := find_shared_card(cards) if not job.shares_card else ():
            told = f"ranks {twice[0]} and {twice[1]} are on one card"
            raise BadOption("--gpus", job.plan.ranks, f"{told}, and each needs its own")

    def _find_missing(self) -> list[int]:
        """The ranks that have not joined."""
        others = range(1, self._place.ranks)
        return [rank for rank in others if not self._store.check([f"joined-{rank}"])]

    def _answer(self, rank: int) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._store.get(f"joined-{rank}"))
        return answer

    def _poll_processes(self) -> RankLoss | None:
        for rank, process in self._processes.items():
            if (code := process.poll()) is not None:
                return RankLoss(rank, describe_end(code))
            # One that has not joined has no heartbeat to miss.
            self._stopped[rank] = self._stopped.get(rank, 0) + 1 if is_stopped(process.pid) else 0
            if self._stopped[rank] > TICKS:
                return RankLoss(rank, f"was stopped, for {silence_limit():g} s")
        return None

    def _find_cause(self, fault: Exception) -> RankLoss:
        """What the monitor finds in a moment; else rank 0 itself has failed."""
        end = time.monotonic() + TELLING
        while self._monitor.loss is None and is_of_link(fault) and time.monotonic() < end:
            time.sleep(0.05)
        if self._monitor.loss is None:
            self._monitor.report(RankLoss(0, f"failed: {describe_failure(fault)}"))
        return self._monitor.loss or RankLoss(0, f"failed: {describe_failure(fault)}")

    def _raise_if_lost(self) -> None:
        if self._monitor.loss is not None:
            loss = self._monitor.loss
            self.abandon()
            raise self._lost(loss)

    def _lost(self, loss: RankLoss) -> LongtakeError:
        return RankLost(loss.rank, self._place.ranks, loss.words)

    def _on_loss(self, loss: RankLoss) -> None:
        """End the other ranks, and what waits for them here; where that does not end, end this process too."""
        self._kill_followers()
        released = threading.Event()
        threading.Thread(target=self._release_card, args=(released,), daemon=True).start()
        time.sleep(LAST_WORDS)
        if self._working or not released.is_set():
            os.write(2, f"longtake: {self._lost(loss)}\n".encode())
            os._exit(_END_CODE)

    def _release_card(self, released: threading.Event) -> None:
        """Let go of what this card waits for: the decoder's work stands behind it, and may be the main thread's."""
        if "links" in self.__dict__:
            self.links.abort()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        released.set()

    def _kill_followers(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        self._close_inputs()
        if not self._processes:
            self._kill_launched()

    def _kill_launched(self) -> None:
        for rank in range(1, self._place.ranks):
            with suppress(Exception):  # it has not joined, or is gone
                answer = self._answer(rank) if self._store.check([f"joined-{rank}"]) else {}
                if answer.get("host") == socket.gethostname():
                    os.kill(int(answer["process"]), signal.SIGKILL)


def find_shared_card(cards: Sequence[str]) -> tuple[int, int] | tuple[()]:
    """The first two ranks that have the same card; nothing where each has its own, or none has one."""
    for rank, card in enumerate(cards):
        if card and card in cards[:rank]:
            return cards.index(card), rank
    return ()


def release_launched_ranks() -> None:
    """Let ranks that a launcher started end where nothing came for them to do: the film was there already, or was refused."""
    place = read_launched_place()
    # Where rank 0 keeps the store itself, they have not found it.
    if place is not None and place.agent_store:
        with suppress(Exception):  # they have ended
            name_keys(open_store(place), place.prefix).set(DONE, "1")


def is_stopped(process: int) -> bool:
    """Whether a process stands still by SIGSTOP, as Linux says."""
    with suppress(OSError):
        facts = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
        return facts.rpartition(")")[2].split()[0] == "T"
    return False


def describe_end(code: int) -> str:
    """How a process ended, by its return code."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def describe_failure(fault: BaseException) -> str:
    """A fault in one line."""
    told = str(fault).strip().splitlines()
    return (
        told[0]
        if isinstance(fault, LongtakeError) and told
        else f"{type(fault).__name__}: {told[0] if told else ''}"
    )


def is_of_link(fault: BaseException) -> bool:
    """Whether it may be that another rank is gone: what gloo, NCCL and the store raise."""
    told = str(fault).lower()
    return isinstance(fault, RuntimeError) and any(word in told for word in LINK_WORDS)
