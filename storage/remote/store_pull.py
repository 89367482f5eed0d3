"""What a working folder lacks of its run is brought from the store; where the two differ, the store decides.

Records are asked one by one; what each vouches for is fetched where it is not here, and compared by its hash. A record whose content is not there, or is
another, is no record: the work is done again, to the same bits.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage import layout, run_json
from storage.digest import find_file_flaw, find_size_flaw
from storage.drafts import discard_draft, draft_path
from storage.errors import RunDamaged
from storage.lock import hold_lock
from storage.names import COPY, FOLDERS, is_begun, is_run
from storage.publish import make_folder, publish_bytes, remove_path, set_aside
from storage.records import LARGEST, Facts, name_of, unseal_facts
from storage.remote.record_object import COMMITS, RUN, RecordObject, data_name, is_sent
from storage.remote.run_content import split_files
from storage.remote.run_store import RunStore
from storage.remote.store_view import StoreView, map_at_once
from storage.run import Run
from storage.run_paths import path_inside, read_plain
from storage.schema import Unfit, parse_json

STEPS, CARRY, FRAMES, SEGMENT = "steps", "carry", "frames", "segment"
CONTENTS_AT_ONCE = 16
"""What records vouch for that is fetched at a time, pieces of some megabytes each."""
RecordsThere = dict[str, tuple[RecordObject, Facts]]
"""By their paths in the run."""


@dataclass
class Pulled:
    """What came of it."""

    records: dict[str, str] = field(default_factory=dict)
    """The hash of each record's object on the store, by its path in the run: all that hold, here or not."""
    fetched: int = 0
    """Records whose content was brought here."""
    bytes: int = 0
    objects: set[str] = field(default_factory=set)
    """The objects that run.json and the records that hold name."""
    lost: list[str] = field(default_factory=list)
    """Records whose content the store has not."""
    withdrawn: int = 0
    """Records of this folder that the store does not have so."""
    old_carries: list[str] = field(default_factory=list)
    """Records of state checkpoints that are left there: there is a newer one."""


@dataclass(frozen=True)
class Wanted:
    """What is brought besides what the film needs to go on."""

    by_products: bool = False
    """Steps, and every state checkpoint: for those who look, and for retakes."""
    content: bool = True
    """False: run.json and records alone, for those who only count."""


EVERYTHING = Wanted(by_products=True)


class Puller:
    """Brings one run here. Only under the folder's lock; tells no follower."""

    def __init__(self, root: Path, view: StoreView, wanted: Wanted) -> None:
        self._root, self._view, self._wanted = root, view, wanted
        self._store: RunStore = view.store
        self.found = Pulled()

    def pull(self) -> Pulled:
        """Bring what is lacking; nothing where the store has no run. Raises StoreUnreachable, StoreRefused, RunDamaged."""
        run = self._view.read_run()
        if run is None:
            return self.found
        self._bring_run(run)
        self.found.objects.add(data_name(run.at, RUN))
        opened = Run.open(self._root)
        there = self._find_records(opened)
        for name in there.keys() - set(self._choose_records(opened, there)):
            there.pop(name)
        self._bring_all(there)
        self._withdraw_others(there)
        opened.presence.rebuild()
        return self.found

    def pull_beginning(self) -> bool:
        """Bring what every clip is made of: run.json, picture and sound, and what the model made of them. False while that is not there. Raises as `pull`."""
        run = self._view.read_run()
        if run is None:
            return False
        self._bring_run(run)
        return self.pull_record(f"{COMMITS}/{name_of('inputs', None)}")

    def pull_record(self, name: str) -> bool:
        """Bring one record and what it vouches for, asked for by its path in the run; False where it says nothing done. Which holder's it is is not asked: only for those who publish nothing."""
        found = self._find_done(name)
        return found is not None and self._bring_record(name, found)[1] is not None

    def is_done(self, name: str) -> bool:
        """True if a record says done, as for `pull_record`; nothing is brought."""
        return self._find_done(name) is not None

    def _find_done(self, name: str) -> tuple[RecordObject, Facts] | None:
        found = self._store.get(name)
        record = RecordObject.from_bytes(found.content) if found else None
        facts = unseal_facts(record.body) if record is not None and record.body else None
        if record is None or facts is None or facts.get("state") != "done":
            return None
        mine = facts.get("run") == Run.open(self._root).spec.digest and _is_named(name, facts)
        return (record, facts) if mine else None

    def _bring_all(self, there: RecordsThere) -> None:
        """Bring what the records vouch for; those whose content the store has not are taken out."""
        found, asked = self.found, list(there.items())
        brought = map_at_once(lambda each: self._bring_record(*each), iter(asked), CONTENTS_AT_ONCE)
        for name, size in brought:
            if size is None:
                found.lost.append(name)
                found.records.pop(name)
                found.objects.remove(data_name(there.pop(name)[0].at, name))
            elif size:
                found.fetched, found.bytes = found.fetched + 1, found.bytes + size

    def _bring_run(self, run: RecordObject) -> None:
        """Inputs and empty arrays first, run.json last: it is what makes the folder a run."""
        make_folder(self._root)
        for folder in FOLDERS:
            make_folder(path_inside(self._root, folder))
        if self._wanted.content and self._bring_content(RUN, run) is None:
            words = "the picture and the sound that it was begun with are not there"
            way = "resume it where it was made, and they are put there again"
            raise RunDamaged(self._store.url, words, way)
        if not is_run(self._root) or not self._holds(RUN, run.body):
            for name in (COPY, RUN):
                publish_bytes(self._root / name, run.body)
        spec = Run.open(self._root).spec
        if not (self._root / "zarr.json").exists():
            layout.create_arrays(self._root, spec)

    def _find_records(self, run: Run) -> RecordsThere:
        """The records that hold and are this film's, with what they say; those that were taken back are noted alone."""
        there: RecordsThere = {}
        for name, record, digest in self._view.records():
            facts = unseal_facts(record.body) if record.body else {}
            if not facts and record.body:
                continue
            if not facts:
                self.found.records[name] = digest
            elif facts.get("run") == run.spec.digest and _is_named(name, facts):
                self.found.records[name], there[name] = digest, (record, facts)
                self.found.objects.add(data_name(record.at, name))
        return there

    def _choose_records(self, run: Run, there: RecordsThere) -> Iterator[str]:
        """The records that are wanted here; by-products also where they are here already."""
        carries = [name for name, (_, facts) in there.items() if facts["stage"] == CARRY]
        newest, every = max(carries, default=""), self._wanted.by_products or bool(run.spec.takes)
        for name, (record, facts) in there.items():
            if facts["stage"] == STEPS and not self._wanted.by_products:
                if self._holds(name, record.body) and self._has_files(record, thorough=False):
                    yield name
            elif facts["stage"] == CARRY and not (every or name == newest):
                if run.carry.anchor_clips == 0 or facts["clip"] % run.carry.anchor_clips:
                    self.found.old_carries.append(name)
            else:
                yield name

    def _bring_record(self, name: str, found: tuple[RecordObject, Facts]) -> tuple[str, int | None]:
        """Its name, and bytes of what it vouches for that were fetched; None where the store does not have that."""
        record, same = found[0], self._holds(name, found[0].body)
        size = self._bring_content(name, record, same=same) if self._wanted.content else 0
        if size is not None and not same:
            publish_bytes(path_inside(self._root, name), record.body)
        return name, size

    def _bring_content(self, name: str, record: RecordObject, *, same: bool = False) -> int | None:
        """Have the files of a record here; bytes that were fetched, None where the store does not have them. `same`: the record is here, and so vouches for them."""
        if self._has_files(record, thorough=not same):
            return 0
        draft = draft_path(self._root / "object")
        try:
            if not self._store.fetch(data_name(record.at, name), draft):
                return None
            whole = split_files(self._root, draft, record.content)
            return draft.stat().st_size if whole else None
        finally:
            discard_draft(draft)

    def _has_files(self, record: RecordObject, *, thorough: bool) -> bool:
        find = (
            find_file_flaw if thorough else lambda path, size, _digest: find_size_flaw(path, size)
        )
        return all(
            find(path_inside(self._root, name), *facts) is None
            for name, facts in record.content.items()
        )

    def _withdraw_others(self, there: RecordsThere) -> None:
        """Take back the records of this folder that the store does not have: another holder may have gone on without."""
        for path in sorted((self._root / COMMITS).glob("*.json")):
            name = f"{COMMITS}/{path.name}"
            if is_sent(name) and name not in there:
                remove_path(path)
                self.found.withdrawn += 1
        # Frames never go to the store: they stay as long as the segment that was made of them.
        for path in (self._root / COMMITS).glob(f"{FRAMES}.*.json"):
            if not path.with_name(path.name.replace(FRAMES, SEGMENT, 1)).exists():
                remove_path(path)

    def _holds(self, name: str, body: bytes) -> bool:
        with suppress(OSError):
            return read_plain(path_inside(self._root, name), LARGEST) == body
        return False


def _is_named(name: str, facts: Facts) -> bool:
    """True if a record says what its name says."""
    stage, clip = facts.get("stage"), facts.get("clip")
    plain = isinstance(stage, str) and (clip is None or isinstance(clip, int))
    return plain and name == f"{COMMITS}/{name_of(str(stage), clip)}"


def clear_other_film(root: Path, run: RecordObject | None) -> bool:
    """Set a working folder aside that holds another film than the store, or the beginning of one; True where it was. Not under its lock; raises RunLocked where another process has that."""
    if run is None or not (is_run(root) or is_begun(root)):
        return False
    here = run_json.read_either(root)
    try:
        told: Any = parse_json(run.body)
    except Unfit:
        return False  # whoever opens it will say so
    if here is not None and isinstance(told, dict) and told.get("spec") == here["spec"]:
        return False
    with hold_lock(root):  # raises where a process works on it
        pass
    set_aside(root)
    return True
