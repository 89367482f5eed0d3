"""The processes of ranks other than 0, where no launcher has started them.

They are started as soon as it is known that there will be some, and import their libraries while rank 0 imports its own. Which rank each is it is told
later, by a line on its standard input; when that closes, rank 0 has ended, and so do they. Without torch.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

QUIET = {"TORCH_CPP_LOG_LEVEL": "FATAL"}
"""For a rank whose end is told by rank 0: torch would write stacks of C++ before it."""


@dataclass(frozen=True)
class FollowerOrder:
    """What a process is told: which rank it is, where the store is, and what changes in its environment."""

    rank: int
    ranks: int
    port: int
    environment: Mapping[str, str]

    def encode(self) -> bytes:
        """As a line."""
        return json.dumps(asdict(self)).encode() + b"\n"


_waiting: deque["subprocess.Popen[bytes]"] = deque()


@contextmanager
def followers_started(count: int) -> Iterator[None]:
    """Have so many processes wait for an order; those that have none at the end are ended."""
    try:
        _waiting.extend(_start() for _ in range(count - len(_waiting)))
        yield
    finally:
        while _waiting:
            process = _waiting.popleft()
            process.kill()
            process.communicate()


def order_follower(order: FollowerOrder) -> "subprocess.Popen[bytes]":
    """Give a waiting process, or a new one, its order."""
    while _waiting:
        process = _waiting.popleft()
        with suppress(BrokenPipeError):  # it has ended meanwhile
            return _tell(process, order)
        process.communicate()
    return _tell(_start(), order)


def _tell(process: "subprocess.Popen[bytes]", order: FollowerOrder) -> "subprocess.Popen[bytes]":
    assert process.stdin is not None
    process.stdin.write(order.encode())
    process.stdin.flush()
    return process


def _start() -> "subprocess.Popen[bytes]":
    # The code that this process runs, and not what else may be installed: ranks of two versions are refused.
    code = (
        "import signal, sys; stops = signal.SIGINT, signal.SIGTERM;"
        " [signal.signal(each, signal.SIG_IGN) for each in stops];"
        " signal.pthread_sigmask(signal.SIG_UNBLOCK, stops);"
        f" sys.path[:] = {sys.path!r};"
        " from model.sharding.rank_process import run_started_rank;"
        " run_started_rank(*map(int, sys.argv[1:]))"
    )
    # Linux ends it with the thread that has started it.
    dies = int(threading.current_thread() is threading.main_thread())
    with _stops_held_back():
        return subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(os.getpid()), str(dies)],
            env={**QUIET, **os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )


@contextmanager
def _stops_held_back() -> Iterator[None]:
    """A process that is started meanwhile gets no Ctrl-C, which reaches all of a terminal, and no SIGTERM, which may reach all of a job, before it can say what becomes of it: rank 0 decides when ranks end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
