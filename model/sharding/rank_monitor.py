"""Whether all ranks are alive: heartbeats through the store, and what becomes of a rank that gives none.

Nothing waits for a collective to time out: each rank writes a number into the store now and then and looks at those of the others. The first to miss one,
or to fail itself, writes down who and why; whoever reads that ends.
"""

import json
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from storage.errors import BadOption

LIMIT = "LONGTAKE_RANK_LIMIT"
SILENCE = 10.0
"""Seconds without a sign of life after which a rank is held for lost."""
_SHORTEST, _LONGEST = 1, 3600
LOSS = "loss"
LAST_LOOK = 2.0
"""Seconds in which a look at the store ends, or its host hangs."""
TICKS = 8
"""Looks in the time after which a silent rank is held for lost."""


def silence_limit() -> float:
    """Seconds without a sign of life, as the environment has them. Raises BadOption where it has none that can be kept to."""
    word = os.environ.get(LIMIT, "").strip()
    try:
        seconds = float(word or SILENCE)
    except ValueError:
        seconds = math.nan
    if not _SHORTEST <= seconds <= _LONGEST:
        raise BadOption(LIMIT, word, f"seconds from {_SHORTEST} to {_LONGEST} are needed")
    return seconds


@dataclass(frozen=True)
class RankLoss:
    """A rank that is gone, and why."""

    rank: int
    words: str

    def encode(self) -> str:
        """As text for the store."""
        return json.dumps([self.rank, self.words])


def decode_loss(text: bytes) -> RankLoss:
    """What `encode` made."""
    rank, words = json.loads(text)
    return RankLoss(int(rank), str(words))


class RankMonitor:
    """The heartbeat of one rank, and its look at the others."""

    def __init__(
        self, store: Any, rank: int, ranks: int, limit: float, on_loss: Callable[[RankLoss], None]
    ) -> None:
        """`on_loss` is called once, in a thread of its own; `limit`: seconds without a sign."""
        self._store, self.rank, self._limit, self._on_loss = store, rank, limit, on_loss
        self._others = [other for other in range(ranks) if other != rank]
        self._heard: dict[int, tuple[bytes, float]] = {}
        self._moved = time.monotonic()
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=work, name="ranks", daemon=True)
            for work in (self._beat, self._judge)
        ]
        self._lock = threading.Lock()
        self.loss: RankLoss | None = None
        self.polls: Sequence[Callable[[], RankLoss | None]] = ()
        """Asked at each look for a loss that no heartbeat tells."""

    def open(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Look no more, and write no heartbeat: neither is done any longer.

        A thread that comes back from the store's C++ while Python ends would abort this process, with a line of C++.
        """
        self._closed.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(LAST_LOOK)

    def report(self, loss: RankLoss) -> None:
        """Write down a loss, for all ranks; the first that is written stays."""
        told: list[bytes] = []

        def write() -> None:
            with suppress(Exception):  # the store is gone with rank 0: nobody is left to be told
                told.append(self._store.compare_set(LOSS, "", loss.encode()))

        writing = threading.Thread(target=write, daemon=True)
        writing.start()
        writing.join(self._limit / 2)
        self._notice(decode_loss(told[0]) if told and told[0] else loss)

    def _notice(self, loss: RankLoss) -> None:
        with self._lock:
            if self._closed.is_set() or self.loss is not None:
                return
            self.loss = loss
        threading.Thread(target=self._on_loss, args=(loss,), name="ranks", daemon=True).start()

    def _beat(self) -> None:
        number = 0
        try:
            while not self._closed.wait(self._limit / TICKS):
                number += 1
                self._store.set(f"beat-{self.rank}", str(number))
                self._listen()
                self._moved = time.monotonic()
        except Exception:  # noqa: BLE001 - the store is in rank 0's process
            self._notice(RankLoss(0, "is gone"))

    def _listen(self) -> None:
        for other in self._others:
            name = f"beat-{other}"
            if not self._store.check([name]):
                continue
            beat = self._store.get(name)
            if self._heard.get(other, (b"", 0.0))[0] != beat:
                self._heard[other] = beat, time.monotonic()
        if self._store.check([LOSS]):
            self._notice(decode_loss(self._store.get(LOSS)))

    def _judge(self) -> None:
        last = time.monotonic()
        while not self._closed.wait(self._limit / TICKS):
            now = time.monotonic()
            if now - last > self._limit / 2:
                self._forgive(now)  # this process itself was stopped, or the machine slept
            last = now
            if (loss := self._find_loss(now)) is not None:
                self.report(loss)

    def _forgive(self, now: float) -> None:
        self._moved = now
        self._heard = {other: (beat, now) for other, (beat, _) in self._heard.items()}

    def _find_loss(self, now: float) -> RankLoss | None:
        polled = (poll() for poll in self.polls)
        if (loss := next((found for found in polled if found is not None), None)) is not None:
            return loss
        silent = f"has given no sign of life for {self._limit:g} s"
        if now - self._moved > self._limit:
            return RankLoss(0, silent)  # its store does not answer
        late = [other for other, (_, at) in self._heard.items() if now - at > self._limit]
        return RankLoss(late[0], silent) if late else None
