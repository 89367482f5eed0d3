"""Commit records: small self-checksummed JSON files that alone say that work is done.

commits/<stage>.<clip>.json, or commits/<stage>.json for a stage that has no clips. A record that is torn, damaged or another run's is no record.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from storage.digest import CONTENT_CHANGED
from storage.errors import NotReadable
from storage.names import find_clips
from storage.publish import publish_bytes, remove_path
from storage.refusals import raise_if_machine_refused
from storage.run_paths import path_inside, read_plain
from storage.schema import (
    NONE,
    Check,
    EitherOf,
    ListOf,
    Number,
    OneOf,
    TableWith,
    Text,
    Unfit,
    Whole,
    parse_json,
)
from storage.seed_history import DIGEST

Facts = dict[str, Any]

SEAL = b',"seal":"'
LARGEST = 8 << 20
"""Bytes of a record: that of the sound has a digest for every 16 seconds."""

STATES = ("done", "pruned", "doubted")
_STATE = OneOf(STATES)
_SHA256, _BYTES = Text(64, DIGEST), Whole(0, 1 << 62)
_NUMBER = Number(-1e12, 1e12)
_STEP = TableWith(dict.fromkeys(("joint", "inside", "most"), _NUMBER))
_PIECES = ListOf(
    TableWith({"name": Text(256), "folder": Text(256, r"[\w.-]+"), "digest": _SHA256}),
    100_000,
)
_FILE: dict[str, Check] = {"sha256": _SHA256, "bytes": _BYTES}
DONE: dict[str, Check] = {
    **dict.fromkeys(
        ("audio", "pose", "latents", "steps", "frames", "motion"), TableWith({"digest": _SHA256})
    ),
    **dict.fromkeys(("soundtrack", "video"), TableWith(_FILE)),
    **dict.fromkeys(("inputs", "carry", "past"), TableWith({"pieces": _PIECES})),
    "segment": TableWith({**_FILE, "frames": Whole(1, 1 << 32)}),
    "sound": TableWith({"samples": Whole(0, 1 << 40), "digests": ListOf(_SHA256, 1 << 17)}),
    "output": TableWith({"path": Text(4096), **_FILE, "before": EitherOf((NONE, _SHA256))}),
    "seam": TableWith(
        {
            "seconds": _NUMBER,
            "frames": _STEP,
            "latents": _STEP,
            "apart": EitherOf((NONE, _NUMBER)),
        }
    ),
}
"""What the record of each stage says beside what all say."""
OTHERWISE = TableWith({}, {"digest": _SHA256})
"""What one says of what is not there."""

log = structlog.get_logger()


def seal_facts(facts: Facts) -> bytes:
    """The facts as one line of JSON whose last key, `seal`, is the start of the SHA-256 of the rest."""
    body = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    return body[:-1] + SEAL + _compute_seal(body) + b'"}\n'


def unseal_facts(data: bytes) -> Facts | None:
    """The facts of a sealed line; None if a single bit of it is not as it was written."""
    head, found, tail = data.rpartition(SEAL)
    body = head + b"}"
    if not found or tail != _compute_seal(body) + b'"}\n':
        return None
    try:
        facts: Facts = parse_json(body)
    except Unfit:
        return None
    return facts


class Records:
    """The commit records of a run. Every call reads or writes the disk: another process may have been there."""

    def __init__(self, root: Path, owner: str = "") -> None:
        """`owner` is the spec's digest: a record copied here from another film vouches for nothing."""
        self._root = root
        self._text = f"{root}/commits"
        self.owner = owner
        self.changed: Callable[[str, int | None], None] | None = None
        """Told of every record that was written or withdrawn, after it is durable."""

    def commit(self, stage: str, clip: int | None = None, **facts: Any) -> None:
        """Say, durably, that a stage (of a clip) is done; what it vouches for is already durable."""
        self._publish(stage, clip, {**facts, "state": "done"})

    def read(self, stage: str, clip: int | None = None) -> Facts | None:
        """The facts of a record and its `state` (done, pruned or doubted); None where there is no valid one."""
        data = self._read(stage, clip)
        if data is None:
            return None
        facts = unseal_facts(data)
        if facts is None or self._flaw_of(facts, stage, clip) is not None:
            log.warning("record_invalid", stage=stage, clip=clip)
            return None
        return facts

    def vouched(self, stage: str, clip: int | None = None) -> Facts | None:
        """The facts of a record that says done; None where it says anything else, or is not there."""
        facts = self.read(stage, clip)
        return facts if facts is not None and facts["state"] == "done" else None

    def complete(self, stage: str, clip: int | None = None) -> bool:
        """True if a valid record says done (not pruned, not doubted). About 20 µs."""
        return self.vouched(stage, clip) is not None

    def clips_with_record(self, stage: str) -> Iterator[int]:
        """The clips that a record of the stage has a file for, whatever it says."""
        return find_clips(self.folder, lambda clip: name_of(stage, clip))

    def clips(self, stage: str, stop: int | None = None) -> list[int]:
        """The clips before `stop` whose record says done, in order. Reads every record of the stage: for a report, not for every clip.

        Where few are there it is quick, however long the film is said to be.
        """
        there = (clip for clip in self.clips_with_record(stage) if stop is None or clip < stop)
        return sorted(clip for clip in there if self.complete(stage, clip))

    def withdraw(self, stage: str, clip: int | None = None) -> None:
        """Take a record back, durably: the work is to be done again."""
        remove_path(self.path(stage, clip))
        self._notify_change(stage, clip)

    def doubt(self, stage: str, clip: int | None = None, **kept: Any) -> None:
        """Say, durably, that what a record vouched for is damaged and is to be made again; until then that is not forgotten.

        `kept` are facts that what comes in its place must have, too.
        """
        self._publish(stage, clip, {**kept, "state": "doubted"})

    def doubted(self, stage: str, clip: int | None = None) -> bool:
        """True if a record says that its work was damaged and is not made again yet."""
        return (self.read(stage, clip) or {}).get("state") == "doubted"

    def flaw(self, stage: str, clip: int | None = None) -> str | None:
        """What is wrong with a record's file; None if it can be read, and also where there is none."""
        path = self.path(stage, clip)
        if not path.exists() or self.read(stage, clip) is not None:
            return None
        try:
            facts = unseal_facts(read_plain(path, LARGEST))
        except OSError as error:
            raise_if_machine_refused(error)
            return f"cannot be read ({error.strerror})"
        return CONTENT_CHANGED if facts is None else self._flaw_of(facts, stage, clip)

    def path(self, stage: str, clip: int | None = None) -> Path:
        """The file of a record. Raises LinkInRun."""
        return path_inside(self._root, self._name(stage, clip)[len(str(self._root)) + 1 :])

    @property
    def folder(self) -> Path:
        """The folder of all records. Raises LinkInRun."""
        return path_inside(self._root, "commits")

    def prune(self, stage: str, clip: int | None = None, *, remake: str) -> None:
        """Say, durably, that what a record vouched for is gone on purpose, and the command that makes it again. The digest stays."""
        self._publish(
            stage, clip, {**(self.read(stage, clip) or {}), "state": "pruned", "remake": remake}
        )

    def adopt(self, stage: str, clip: int | None, facts: Facts) -> None:
        """Say, durably, what the record of another run says: what it vouches for is here as well."""
        self._publish(stage, clip, facts)

    def _publish(self, stage: str, clip: int | None, facts: Facts) -> None:
        whole = {**facts, "stage": stage, "clip": clip, "run": self.owner}
        path = self.path(stage, clip)
        publish_bytes(path, seal_facts(whole))
        try:
            read_plain(path, LARGEST)
        except OSError as error:
            # Else the work would be done again and again, and nobody would say why.
            raise NotReadable(path, error.strerror) from error
        self._notify_change(stage, clip)

    def _notify_change(self, stage: str, clip: int | None) -> None:
        if self.changed is not None:
            self.changed(stage, clip)

    def _read(self, stage: str, clip: int | None) -> bytes | None:
        """A record's file; None where there is none, and nothing of one that cannot be read twice: a folder of its name, or a bad sector."""
        for _ in range(2):
            try:
                return read_plain(self._name(stage, clip), LARGEST)
            except FileNotFoundError:
                return None
            except OSError as error:
                self.path(stage, clip)  # a link is told
                raise_if_machine_refused(error)
        return b""

    def _flaw_of(self, facts: Facts, stage: str, clip: int | None) -> str | None:
        """What is wrong with a record's content, to be read after its name; None if it is the record asked for."""
        if (facts.get("stage"), facts.get("clip")) != (stage, clip):
            return "is the record of something else"
        if facts.get("run") != self.owner:
            return "is a record of another film"
        try:
            _STATE(facts.get("state"))
            check = (
                DONE.get(stage.partition("-")[0], OTHERWISE)
                if facts["state"] == "done"
                else OTHERWISE
            )
            check(facts)
        except Unfit as reason:
            return f"cannot be: {reason}"
        return None

    def _name(self, stage: str, clip: int | None) -> str:
        # As text: it is asked for often.
        return f"{self._text}/{name_of(stage, clip)}"


def name_of(stage: str, clip: int | None) -> str:
    """The file name of a record."""
    return f"{stage}.json" if clip is None else f"{stage}.{clip:05d}.json"


def _compute_seal(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:16].encode()
