"""What is published in the working folder of a run goes to the store as well: first what a record vouches for, then the record.

storage/publish.py tells of every path, and waits. All that is no record waits for one: what nothing vouches for is nobody's, here as there.
"""

from collections.abc import Callable, Container
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import StoreRefused, StoreUnreachable
from storage.records import unseal_facts
from storage.remote.lease import Lease
from storage.remote.record_object import COMMITS, RUN, RecordObject, data_name, is_sent
from storage.remote.run_content import find_content, join_files, measure_content
from storage.remote.run_store import RunStore, StoredObject
from storage.run import Run

if TYPE_CHECKING:
    from storage.remote.record_object import FileFacts

FILM, FILM_RECORD = "video.mp4", f"{COMMITS}/video.json"
"""The film by a name that can be told; what vouches for it is a record, and names another object."""
_TRIES = 5


class StoreFollower:
    """Puts what is published to the store, under the epoch of a lease."""

    def __init__(self, root: Path, store: RunStore, lease: Lease, *, begun: bool) -> None:
        """`begun`: the store has the run's run.json; else all that is here goes before it."""
        self._root, self._store, self._lease = root, store, lease
        self._begun = begun
        self._run: Run | None = None
        self.after_record: Callable[[], None] = lambda: None
        """Called after each record."""

    def note_published(self, path: Path) -> None:
        """Put a record or run.json there, and before it what it vouches for. Raises LeaseLost, StoreUnreachable, StoreRefused."""
        name = str(path.relative_to(self._root))
        if name == RUN:
            self._put_run(path)
        elif self._begun and is_sent(name):
            self._put_record(name, path.read_bytes())
            self.after_record()

    def note_removed(self, path: Path) -> None:
        """Take a record back there as well."""
        name = str(path.relative_to(self._root))
        if self._begun and is_sent(name):
            self.withdraw(name)

    def withdraw(self, name: str) -> None:
        """Take a record back there, and remove what it vouched for."""
        self._vouch(name, RecordObject(self._lease.epoch, self._lease.epoch, {}, b""))

    def put_all(self) -> None:
        """Put a run there that is here and not there: its records, then run.json."""
        self._put_run(self._root / RUN)

    def _put_run(self, path: Path) -> None:
        body, epoch = path.read_bytes(), self._lease.epoch
        found = self._store.get(RUN) if self._begun else None
        before = RecordObject.from_bytes(found.content) if found else None
        if before is not None and self._store.measure(data_name(before.at, RUN)) == before.size:
            self._vouch(RUN, RecordObject(epoch, before.at, before.content, body))
            return
        content = self._put_content(RUN, list(self._opened_run.input_paths.values()))
        for each in sorted((self._root / COMMITS).glob("*.json")):
            if is_sent(name := f"{COMMITS}/{each.name}"):
                self._put_record(name, each.read_bytes())
        self._vouch(RUN, RecordObject(epoch, epoch, content, body))
        self._begun = True

    def _put_record(self, name: str, body: bytes) -> None:
        facts, epoch = unseal_facts(body), self._lease.epoch
        paths = find_content(self._opened_run, facts) if facts else []
        content = self._put_content(name, paths)
        self._vouch(name, RecordObject(epoch, epoch, content, body))
        if name == FILM_RECORD and content:
            self._copy_film(epoch)

    def restore_film(self, named: Container[str]) -> None:
        """Have the film by its own name again, where a holder was killed between its record and that; `named` are the objects that records name."""
        found = self._store.get(FILM_RECORD)
        record = RecordObject.from_bytes(found.content) if found else None
        if record is None or data_name(record.at, FILM_RECORD) not in named:
            return
        if self._store.measure(FILM) != record.size:
            self._copy_film(record.at)

    def _copy_film(self, epoch: int) -> None:
        self._lease.require()
        try:
            self._store.copy(data_name(epoch, FILM_RECORD), FILM)
        except (StoreUnreachable, StoreRefused):
            # S3 copies 5 GB at most.
            self._store.put(FILM, self._root / FILM)

    def _put_content(self, name: str, paths: list[Path]) -> "dict[str, FileFacts]":
        content = measure_content(self._root, paths)
        if content:
            ordered = [self._root / each for each in content]
            joined = join_files(ordered, sum(size for size, _ in content.values()))
            self._lease.require()
            self._store.put(data_name(self._lease.epoch, name), joined)
        return content

    def _vouch(self, name: str, record: RecordObject) -> None:
        """Write a record's object: a new one, or in place of an older holder's or our own. One of a newer holder means that the lease is lost."""
        data = record.as_bytes()
        self._lease.require()
        if self._store.create(name, data):
            return
        for _ in range(_TRIES):
            found = self._store.get(name)
            if found is not None and found.content == data:
                return  # ours: an answer was lost on the way
            if self._replace(name, record, found):
                return
        raise self._lease.mark_lost(f"another process writes {name}")

    def _replace(self, name: str, record: RecordObject, found: StoredObject | None) -> bool:
        self._lease.require()
        if found is None:
            return self._store.create(name, record.as_bytes())
        before = RecordObject.from_bytes(found.content)
        if before is not None and before.epoch > record.epoch:
            raise self._lease.mark_lost(f"{name} there is of a later holder")
        if not self._store.replace(name, record.as_bytes(), found.tag):
            return False
        if before is not None and before.content and (before.at != record.at or not record.content):
            # Of an older holder, or pruned: nobody names it any more.
            self._store.delete(data_name(before.at, name))
        return True

    @property
    def _opened_run(self) -> Run:
        if self._run is None:
            self._run = Run.open(self._root)
        return self._run
