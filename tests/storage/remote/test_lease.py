"""The lease: one holder at a time, taken from a dead one after a time to live, and known to be lost by who lost it."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storage.errors import BadOption, LeaseLost, RunLocked, StoreRefused, StoreUnreachable
from storage.records import unseal_facts
from storage.remote import lease as module
from storage.remote.lease import NAME, Lease, LeaseState, hold_lease, take_lease
from storage.remote.run_store import RunStore
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
ELSEWHERE = {"host": "elsewhere", "process": 4711, "born": "7", "since": "today", "token": "aa"}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(module.TTL_VARIABLE, "0.6")


def take(store: RunStore, asked: list[tuple[str, float]] | None = None, **more: bool) -> Lease:
    told: list[tuple[str, float]] = [] if asked is None else asked
    return take_lease(store, lambda who, seconds: told.append((who, seconds)), **more)


def said(store: RunStore) -> LeaseState:
    found = store.get(NAME)
    assert found is not None
    return LeaseState.from_bytes(found.content, store.url)


def put_foreign(store: RunStore, **more: object) -> None:
    """A lease of a process of another machine, which nobody renews."""
    state = LeaseState(3, 17, 0.6, ELSEWHERE)
    store.put(NAME, replace(state, **more).as_bytes())  # type: ignore[arg-type]


def test_it_is_taken_renewed_and_given_back(store: RunStore) -> None:
    """The first has epoch 1; three renewals a time to live; the next one does not wait and has epoch 2."""
    with hold_lease(store, lambda _who, _seconds: pytest.fail("nobody is there")) as lease:
        assert lease.epoch == 1
        first = said(store).counter
        wait_until(lambda: said(store).counter >= first + 3)
        lease.require()
    assert said(store).holder is None
    later = take(store)
    assert later.epoch == 2
    later.release()


def test_a_holder_that_lives_is_named(memory: Callable[[], RunStore]) -> None:
    """Whoever comes to a lease that changes is told whose it is, before a time to live has passed."""
    store = memory()
    asked: list[tuple[str, float]] = []
    put_foreign(store, ttl=20.0)

    def renew() -> None:
        put_foreign(store, ttl=20.0, counter=18)

    threading.Timer(0.2, renew).start()
    begun = time.monotonic()
    with pytest.raises(RunLocked, match=r"process 4711 on elsewhere.*It lives.*--break-lock"):
        take(store, asked)
    assert time.monotonic() - begun < 10
    assert asked == [("process 4711 on elsewhere since today", 20.0)]


def test_a_lease_that_does_not_change_is_taken_after_its_time(store: RunStore) -> None:
    """By the looker's own clock; with the next epoch."""
    put_foreign(store)
    asked: list[tuple[str, float]] = []
    begun = time.monotonic()
    lease = take(store, asked)
    assert time.monotonic() - begun >= 0.6
    assert (lease.epoch, len(asked)) == (4, 1)
    lease.release()


def test_by_force_nobody_waits(memory: Callable[[], RunStore]) -> None:
    """--break-lock: at once, also where it is renewed."""
    store = memory()
    put_foreign(store, ttl=3600.0)
    lease = take(store, by_force=True)
    assert lease.epoch == 4
    lease.release()


def test_a_dead_process_of_this_machine_holds_nothing(memory: Callable[[], RunStore]) -> None:
    """It need not be waited for: the system says that it is dead."""
    import socket

    store = memory()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    put_foreign(
        store, ttl=3600.0, holder={**ELSEWHERE, "host": socket.gethostname(), "process": dead.pid}
    )
    asked: list[tuple[str, float]] = []
    take(store, asked).release()
    assert asked == []


def test_who_lost_it_knows(store: RunStore) -> None:
    """At the next renewal or the next write, whichever comes first; what is lost is not given back, and stays lost."""
    lease = take(store)
    thief = take(store, by_force=True)
    wait_until(lambda: not lease._thread.is_alive())
    with pytest.raises(LeaseLost, match="has it"):
        lease.require()
    lease.release()
    assert said(store).epoch == thief.epoch
    assert said(store).holder is not None
    thief.require()
    thief.release()


def test_a_lease_that_was_removed_is_lost(store: RunStore) -> None:
    """And that is said; nobody has it."""
    lease = take(store)
    store.delete(NAME)
    wait_until(lambda: not lease._thread.is_alive())
    with pytest.raises(LeaseLost, match=r"no longer ours: lease\.json was removed"):
        lease.require()
    lease.release()


def test_after_a_pause_the_store_is_asked_before_a_write(memory: Callable[[], RunStore]) -> None:
    """A process that was stopped for longer than a time to live does not trust its own memory."""
    store = memory()
    lease = take(store)
    lease._ended.set()  # as if all its threads had been stopped
    lease._thread.join()
    lease._sent -= 100
    before = said(store).counter
    lease.require()
    assert said(store).counter == before + 1
    put_foreign(store)
    lease._sent -= 100
    with pytest.raises(LeaseLost, match="process 4711 on elsewhere"):
        lease.require()


def test_without_the_store_a_lease_ends_with_its_time(
    memory: Callable[[], RunStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renewals that fail are tried again; once the time is over, a write is refused as the store is not reached."""
    store = memory()
    lease = take(store)

    def get(_name: str) -> None:
        raise StoreUnreachable(store.url, "no route")

    with monkeypatch.context() as away:
        away.setattr(store, "get", get)
        away.setattr(module, "PATIENCE", 0.1)
        lease.require()
        time.sleep(0.8)
        assert lease._thread.is_alive()
        with pytest.raises(StoreUnreachable, match="no route"):
            lease.require()
    lease.require()
    lease.release()


def test_an_answer_that_was_lost_is_no_loss(
    memory: Callable[[], RunStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write went through, its answer did not come, the second try was refused: what is there is ours."""
    store = memory()
    write, create = store.replace, store.create
    monkeypatch.setattr(store, "create", lambda *words: create(*words) and False)
    lease = take(store)
    assert lease.epoch == 1
    monkeypatch.setattr(store, "replace", lambda *words: write(*words) and False)
    lease.renew()
    lease.require()
    monkeypatch.undo()
    lease.release()


def test_eight_that_want_it_have_it_one_after_the_other(store: RunStore) -> None:
    """A dead holder's lease, eight threads: one steals it at a time, each with an epoch of its own."""
    put_foreign(store)
    epochs: list[int] = []

    def work() -> None:
        while True:
            try:
                lease = take(store)
            except RunLocked:
                continue
            epochs.append(lease.epoch)
            lease.release()
            return

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(epochs)) == 8


def test_other_things_by_its_name_are_no_lease(memory: Callable[[], RunStore]) -> None:
    """They are not written over."""
    store = memory()
    store.put(NAME, json.dumps({"epoch": 1}).encode())
    with pytest.raises(StoreRefused, match=r"lease\.json there is no lease"):
        take(store)


@pytest.mark.parametrize("word", ["no", "0.1", "-3", "1e9", "nan"])
def test_a_time_to_live_that_cannot_be_is_refused(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its bounds."""
    monkeypatch.setenv(module.TTL_VARIABLE, word)
    with pytest.raises(BadOption, match=r"0\.5 to 3600"):
        module.read_ttl()


def test_what_is_written_is_sealed(memory: Callable[[], RunStore]) -> None:
    """One line of JSON with the holder's name in it."""
    store = memory()
    lease = take(store)
    found = store.get(NAME)
    assert found is not None
    facts = unseal_facts(found.content)
    assert facts is not None
    assert (facts["epoch"], facts["ttl"]) == (1, 0.6)
    lease.release()
