"""A run on an object store, as this machine works on it: in a working folder, under the run's lease, which whatever is published follows."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from storage.errors import NotARun, RunError, RunLocked
from storage.followers import follow_folder
from storage.lock import describe_holder, hold_lock
from storage.names import is_run
from storage.publish import make_folder
from storage.remote.address import FIRST_PATIENCE, find_url, open_store
from storage.remote.event_pieces import EventPieces, pull_events
from storage.remote.lease import NAME as LEASE
from storage.remote.lease import Lease, LeaseState, hold_lease
from storage.remote.record_object import DATA, RUN, data_name
from storage.remote.run_store import RunStore, probe_store
from storage.remote.store_follower import StoreFollower
from storage.remote.store_pull import Puller, Wanted, clear_other_film
from storage.remote.store_view import StoreView

_held: set[str] = set()
"""The working folders whose lease this process holds, as text."""


@dataclass(frozen=True)
class OpenedRun:
    """What came of opening one."""

    url: str
    epoch: int
    """How often the run has had a holder."""
    records: int
    """That the store has."""
    fetched: int
    """Whose content was brought here."""
    bytes: int
    withdrawn: int
    """Records of the working folder that the store does not have so."""
    aside: bool
    """The working folder held another film, and was set aside."""
    seconds: float


@dataclass(frozen=True)
class Listener:
    """Who hears of it."""

    wait: Callable[[str, float], None]
    """Who holds the run, and for how many seconds at most it is watched whether it lives."""
    opened: Callable[[OpenedRun], None]


@contextmanager
def hold_store_run(
    root: Path, listener: Listener, *, by_force: bool = False, begun: bool = False
) -> Iterator[None]:
    """Hold the run that a working folder belongs to: its lease is taken, what is lacking here is brought, and all that is published goes there as well.

    Nothing for any other folder, and where this process holds it already. `by_force` takes the lease from whoever has it. Raises NotARun where it must have been `begun` and nothing lies there; RunLocked, BadInput,
    NoSuchBucket, NoConditionalWrites, StoreUnreachable, StoreRefused; meanwhile, whatever is published, LeaseLost.
    """
    url = find_url(root)
    if url is None or str(root) in _held:
        yield
        return
    # Nothing waits long for a store that is not there, nor a renewal for a request.
    quick = open_store(url, patience=FIRST_PATIENCE)
    if begun and not is_run(root) and quick.get(RUN) is None:
        raise NotARun(url, "nothing lies there")
    probe_store(quick, secrets.token_hex(8))
    with hold_lease(quick, listener.wait, by_force=by_force) as lease:
        opening, view = time.monotonic(), StoreView(open_store(url))
        aside = clear_other_film(root, view.read_run())
        make_folder(root)
        with hold_lock(root), _followed(root, view, lease) as opened:
            listener.opened(opened(aside, opening))
            _held.add(str(root))
            try:
                yield
            finally:
                _held.remove(str(root))


@contextmanager
def _followed(
    root: Path, view: StoreView, lease: Lease
) -> Iterator[Callable[[bool, float], OpenedRun]]:
    """Bring what is lacking, write down what was found, and have the store follow; what builds the account of it."""
    found, store = Puller(root, view, Wanted()).pull(), view.store
    pull_events(root / "events.jsonl", store, always=False)
    view.write_ledger(lease.epoch, found.records)
    begun = view.read_run() is not None
    follower = StoreFollower(root, store, lease, begun=begun)
    events = EventPieces(root / "events.jsonl", store, lease.epoch)
    follower.after_record = events.send_when_due
    with follow_folder(root, follower):
        if is_run(root):  # under our epoch: an older holder's change of it is then refused
            follower.put_all()
        for name in found.old_carries:
            follower.withdraw(name)
        if begun:
            follower.restore_film(found.objects)
            _remove_unnamed(store, found.objects, lease)
        try:
            yield lambda aside, start: OpenedRun(
                store.url,
                lease.epoch,
                len(found.records),
                found.fetched,
                found.bytes,
                found.withdrawn,
                aside,
                round(time.monotonic() - start, 3),
            )
        finally:
            with suppress(RunError):
                lease.require()
                events.send()


def _remove_unnamed(store: RunStore, named: set[str], lease: Lease) -> None:
    """Remove the content of older holders that no record names: of a put that was cut short, and what a zombie wrote."""
    own = data_name(lease.epoch, "")
    for name in list(store.list_names(DATA)):
        if name < own and name not in named:
            lease.require()
            store.delete(name)


@contextmanager
def hold_copy(root: Path, wait: Callable[[], None]) -> Iterator[tuple[Puller, RunStore]]:
    """Hold the working folder of a run at a URL to bring parts of it here, without its lease: whoever has that goes on.

    `wait` is called as long as nobody has begun the run, and may raise. Raises RunLocked where a process of this machine works in the folder; StoreUnreachable, StoreRefused, BadInput.
    """
    url = find_url(root)
    assert url is not None, "only of a working folder"
    quick = open_store(url, patience=FIRST_PATIENCE)
    while (run := StoreView(quick).read_run()) is None:
        wait()
    clear_other_film(root, run)
    make_folder(root)
    store = open_store(url)
    with hold_lock(root):
        yield Puller(root, StoreView(store), Wanted()), store


def find_lease_holder(root: Path) -> str | None:
    """Who has the lease of the run that a working folder belongs to, in words; None where nobody has, or the store cannot be asked."""
    url = find_url(root)
    if url is None:
        return None
    with suppress(RunError):
        store = open_store(url, patience=FIRST_PATIENCE)
        if (found := store.get(LEASE)) is not None:
            state = LeaseState.from_bytes(found.content, url)
            return None if state.is_free or state.holder is None else describe_holder(state.holder)
    return None


def look_at_store(root: Path, wanted: Wanted) -> None:
    """Bring a run here to be looked at, without its lease; nothing for a folder that is no working folder, and while a process of this machine works on it.

    Raises NotARun where there is none, StoreUnreachable, StoreRefused, BadInput.
    """
    url = find_url(root)
    if url is None or str(root) in _held:
        return
    store: RunStore = open_store(url, patience=FIRST_PATIENCE)
    view = StoreView(store)
    run = view.read_run()
    if run is None:
        raise NotARun(url, "nothing lies there")
    with suppress(RunLocked):
        clear_other_film(root, run)
        make_folder(root)
        with hold_lock(root):
            Puller(root, view, wanted).pull()
            pull_events(root / "events.jsonl", store, always=True)
