"""The lease of a run on an object store: one machine at a time works on it, without a clock that two machines would have to share.

One object, lease.json, names the holder, an epoch and a counter. The holder replaces it, by its version, three times in a time to live; whoever
wants it looks at it, and takes it when it has not changed for a whole time to live by the looker's own clock, with the next epoch. What a holder
writes names its epoch, so that what one writes that has lost the lease, and does not know it yet, is told from the owner's (store_view.py).
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

from storage.errors import BadOption, LeaseLost, RunError, RunLocked, StoreRefused, StoreUnreachable
from storage.lock import HOLDER, Holder, describe_holder, is_alive, process_start
from storage.records import seal_facts, unseal_facts
from storage.remote.run_store import RunStore, StoredObject
from storage.schema import NONE, EitherOf, Number, TableWith, Unfit, Whole

NAME = "lease.json"
EPOCHS = "epochs"
"""What each holder found when it came, by epoch (store_view.py)."""
TTL_VARIABLE, TTL = "LONGTAKE_LEASE_TTL", 30.0
"""Seconds for which a lease lives without a renewal."""
RENEWALS = 3
"""In a time to live."""
PATIENCE = 60.0
"""Seconds for which a lease that has run out is tried to be renewed before a write, while the store is not reached."""
_LEASE = TableWith(
    {
        "epoch": Whole(1, 1 << 40),
        "counter": Whole(0, 1 << 60),
        "ttl": Number(0.1, 86_400),
        "holder": EitherOf((NONE, HOLDER)),
    }
)
Tell = Callable[[str, float], None]
"""Hears for whom is waited, and how many seconds at most."""


@dataclass(frozen=True)
class LeaseState:
    """What lease.json says."""

    epoch: int
    counter: int
    ttl: float
    holder: Holder | None
    """Nobody, once it was given back."""

    @classmethod
    def from_bytes(cls, content: bytes, url: str) -> Self:
        """The state out of the object; raises StoreRefused where it is none."""
        facts: Any = unseal_facts(content)
        try:
            _LEASE(facts)
        except Unfit as reason:
            way = "where nothing works on the run, remove it"
            raise StoreRefused(url, f"{NAME} there is no lease ({reason}); {way}") from None
        return cls(facts["epoch"], facts["counter"], facts["ttl"], facts["holder"])

    def as_bytes(self) -> bytes:
        """The object."""
        return seal_facts(vars(self))

    @property
    def is_free(self) -> bool:
        """True where nobody has it, or a process of this machine that is dead."""
        here = self.holder is None or self.holder["host"] == socket.gethostname()
        return here and (self.holder is None or not is_alive(self.holder))


def read_ttl() -> float:
    """The time to live, in seconds. Raises BadOption."""
    word = os.environ.get(TTL_VARIABLE) or str(TTL)
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not 0.5 <= seconds <= 3600:
        raise BadOption(TTL_VARIABLE, word, "seconds are needed, from 0.5 to 3600")
    return seconds


def find_newest_epoch(store: RunStore) -> int:
    """The newest epoch whose holder wrote down what it found; 0 for a new run. Asked for where there is no lease.json: of a run that somebody removed it from, the next holder is not the first."""
    stems = (name.rpartition("/")[2].partition(".")[0] for name in store.list_names(EPOCHS))
    return max((int(stem) for stem in stems if stem.isdecimal()), default=0)


def read_clock() -> float:
    """Seconds that pass also while the machine sleeps, whoever sets its clock."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Lease:
    """A lease that this process holds; it is renewed by a thread until it is given back or lost."""

    def __init__(self, store: RunStore, state: LeaseState, sent: float) -> None:
        """`sent`: when, by this process's clock, the write was begun that took it."""
        self._store, self._state, self._sent = store, state, sent
        self._changing = threading.Lock()
        self._ended = threading.Event()
        self._lost = ""
        self._thread = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)
        self._thread.start()

    @property
    def epoch(self) -> int:
        """How often the run has had a holder, this one counted."""
        return self._state.epoch

    def require(self) -> None:
        """Raise LeaseLost unless the lease is still ours: by our own clock, or by renewing it now. Where the store is not reached, StoreUnreachable after a while."""
        if not self._lost and read_clock() - self._sent < self._state.ttl:
            return
        end = read_clock() + PATIENCE
        while True:
            try:
                self.renew()
            except StoreUnreachable:
                if read_clock() > end:
                    raise
                time.sleep(0.5)
            else:
                return

    def renew(self) -> None:
        """Renew it now; raises LeaseLost, StoreUnreachable, StoreRefused."""
        with self._changing:
            self._raise_if_lost()
            self._write(replace(self._state, counter=self._state.counter + 1))

    def mark_lost(self, reason: str) -> LeaseLost:
        """Note that another has it; the error to raise."""
        self._lost = self._lost or reason
        return LeaseLost(self._store.url, self._lost)

    def release(self) -> None:
        """Stop renewing, and give it back where it is still ours: the next one need not wait."""
        self._ended.set()
        self._thread.join()
        with self._changing:
            if not self._lost:
                self._write(replace(self._state, counter=self._state.counter + 1, holder=None))

    def _write(self, state: LeaseState) -> None:
        sent, found = read_clock(), self._store.get(NAME)
        # An answer that was lost on the way: then it is what we wrote, though a counter further.
        there = LeaseState.from_bytes(found.content, self._store.url) if found else None
        if found is None or there is None or not self._is_ours(there):
            raise self.mark_lost(_describe_owner(there))
        if not self._store.replace(NAME, state.as_bytes(), found.tag):
            found = self._store.get(NAME)
            if found is None or found.content != state.as_bytes():
                there = LeaseState.from_bytes(found.content, self._store.url) if found else None
                raise self.mark_lost(_describe_owner(there))
        self._state, self._sent = state, sent

    def _is_ours(self, there: LeaseState) -> bool:
        ours = self._state.holder
        return there.holder is not None and ours is not None and _same_holder(there.holder, ours)

    def _raise_if_lost(self) -> None:
        if self._lost:
            raise LeaseLost(self._store.url, self._lost)

    def _keep_renewing(self) -> None:
        while not self._ended.wait(self._state.ttl / RENEWALS):
            try:
                self.renew()
            except LeaseLost:
                return
            except RunError:
                # The next renewal may reach it; before each write the clock is asked.
                continue


def take_lease(store: RunStore, wait: Tell, *, by_force: bool = False) -> Lease:
    """Take the lease of a run; waits, and says so, while it cannot be known whether the holder lives.

    `by_force`: without waiting. Raises RunLocked where the holder lives.
    """
    ttl = read_ttl()
    while True:
        sent, found = read_clock(), store.get(NAME)
        state = LeaseState(1, 0, ttl, _describe_self())
        if found is None:
            state = replace(state, epoch=1 + find_newest_epoch(store))
            taken = store.create(NAME, state.as_bytes())
        else:
            there = LeaseState.from_bytes(found.content, store.url)
            if not (by_force or there.is_free):
                _watch_holder(store, there, found, wait)
                sent = read_clock()
            state = replace(state, epoch=there.epoch + 1)
            taken = store.replace(NAME, state.as_bytes(), found.tag)
        if taken or _is_written(store, state):
            return Lease(store, state, sent)


@contextmanager
def hold_lease(store: RunStore, wait: Tell, *, by_force: bool = False) -> Iterator[Lease]:
    """Hold the lease meanwhile; it is given back on leaving, where it is still ours and the store can be reached."""
    lease = take_lease(store, wait, by_force=by_force)
    try:
        yield lease
    finally:
        # Where it cannot be given back, the next one waits a time to live.
        with suppress(RunError):
            lease.release()


def _watch_holder(store: RunStore, there: LeaseState, found: StoredObject, wait: Tell) -> None:
    """Return once the lease has not changed for its time to live, or is free; raise RunLocked when it does."""
    assert there.holder is not None
    wait(describe_holder(there.holder), there.ttl)
    end = read_clock() + there.ttl
    while read_clock() < end:
        time.sleep(min(1.0, there.ttl / 10))
        now = store.get(NAME)
        if now is None or now.content == found.content:
            continue
        state = LeaseState.from_bytes(now.content, store.url)
        if state.is_free:
            return
        assert state.holder is not None
        way = "It lives: wait for it, or stop it there. To take the run from it all the same, add --break-lock."
        raise RunLocked(store.url, describe_holder(state.holder), way)


def _is_written(store: RunStore, state: LeaseState) -> bool:
    """True if a write that seemed to fail went through: its answer was lost, and the second try found its own."""
    found = store.get(NAME)
    return found is not None and found.content == state.as_bytes()


def _describe_self() -> Holder:
    process = os.getpid()
    return {
        "host": socket.gethostname(),
        "process": process,
        "born": process_start(process),
        "since": datetime.now(UTC).isoformat(" ", "seconds"),
        "token": secrets.token_hex(8),
    }


def _same_holder(one: Holder, other: Holder) -> bool:
    return one["token"] == other["token"]


def _describe_owner(there: LeaseState | None) -> str:
    if there is None:
        return f"{NAME} was removed"
    if there.holder is None:
        return "it was given to nobody, by another process"
    return f"{describe_holder(there.holder)} has it"
