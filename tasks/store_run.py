"""A run on an object store, as the verbs take it: held while it is made, or brought here to be looked at. A plain folder passes through all of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from storage.lock import find_worker
from storage.remote import store_run
from storage.remote.address import find_url
from storage.remote.store_pull import EVERYTHING, Wanted
from storage.remote.store_run import Listener, OpenedRun, find_lease_holder
from tasks.events import emit_event

COUNTS = Wanted(content=False)
"""What status asks for."""
FILM = Wanted()
"""What a film is joined of, and judged by."""
_looked: dict[Path, Wanted] = {}
"""What this process has brought to be looked at: it looks at one state of a run."""

__all__ = ["COUNTS", "EVERYTHING", "FILM", "find_run_worker", "hold_store_run", "look_at_store_run"]


@contextmanager
def hold_store_run(
    root: Path | None, *, by_force: bool = False, begun: bool = False
) -> Iterator[None]:
    """Hold the run that a working folder belongs to, so that it may be made; nothing for another folder. `begun`: it must be there. Raises as storage.remote.store_run does."""
    if root is None:
        yield
        return
    listener = Listener(_emit_wait, _emit_opened)
    with store_run.hold_store_run(root, listener, by_force=by_force, begun=begun):
        yield


def look_at_store_run(root: Path, wanted: Wanted) -> None:
    """Bring a run on an object store here, once, to be looked at; nothing for another folder."""
    if _looked.get(root) in {wanted, EVERYTHING}:
        return
    store_run.look_at_store(root, wanted)
    _looked[root] = wanted


def find_run_worker(root: Path) -> str | None:
    """Who works on a run, by its lock or by its lease."""
    here = find_worker(root)
    return here if here is not None or find_url(root) is None else find_lease_holder(root)


def _emit_wait(holder: str, seconds: float) -> None:
    emit_event("lease_awaited", holder=holder, seconds=seconds)


def _emit_opened(found: OpenedRun) -> None:
    facts = asdict(found)
    emit_event("store_opened", **facts)
