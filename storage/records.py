"""Commit records: small self-checksummed JSON files that alone say that work is done.

commits/<stage>.<clip>.json, or commits/<stage>.json for a stage that has no clips. A record that is torn, damaged or another run's is no record.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from storage.digest import OTHER
from storage.errors import NotReadable
from storage.names import clips_in
from storage.publish import publish_bytes, remove
from storage.refusals import spare_file

Facts = dict[str, Any]

SEAL = b',"seal":"'

log = structlog.get_logger()


def sealed(facts: Facts) -> bytes:
    """The facts as one line of JSON whose last key, `seal`, is the start of the SHA-256 of the rest."""
    body = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    return body[:-1] + SEAL + _seal(body) + b'"}\n'


def unsealed(data: bytes) -> Facts | None:
    """The facts of a sealed line; None if a single bit of it is not as it was written."""
    head, found, tail = data.rpartition(SEAL)
    body = head + b"}"
    if not found or tail != _seal(body) + b'"}\n':
        return None
    facts: Facts = json.loads(body)
    return facts


class Records:
    """The commit records of a run. Every call reads or writes the disk: another process may have been there."""

    def __init__(self, root: Path, owner: str = "") -> None:
        """`owner` is the spec's digest: a record copied here from another film vouches for nothing."""
        self.folder = root / "commits"
        self.owner = owner
        self.changed: Callable[[str, int | None], None] | None = None
        """Told of every record that was written or withdrawn, after it is durable."""

    def commit(self, stage: str, clip: int | None = None, **facts: Any) -> None:
        """Say, durably, that a stage (of a clip) is done; what it vouches for is already durable."""
        self._publish(stage, clip, {**facts, "state": "done"})

    def read(self, stage: str, clip: int | None = None) -> Facts | None:
        """The facts of a record and its `state` (done, pruned or doubted); None where there is no valid one."""
        data = _read(self._path(stage, clip))
        if data is None:
            return None
        facts = unsealed(data)
        if facts is None or (facts["stage"], facts["clip"], facts["run"]) != (
            stage,
            clip,
            self.owner,
        ):
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

    def named(self, stage: str) -> Iterator[int]:
        """The clips that there is a file for among the records of a stage, whatever it says."""
        return clips_in(self.folder, lambda clip: self.path(stage, clip).name)

    def clips(self, stage: str) -> list[int]:
        """The clips whose record says done, in order. Reads every record of the stage: for a report, not for every clip."""
        return sorted(clip for clip in self.named(stage) if self.complete(stage, clip))

    def withdraw(self, stage: str, clip: int | None = None) -> None:
        """Take a record back, durably: the work is to be done again."""
        remove(self.path(stage, clip))
        self._tell(stage, clip)

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
            facts = unsealed(path.read_bytes())
        except OSError as error:
            spare_file(error)
            return f"cannot be read ({error.strerror})"
        if facts is None:
            return OTHER
        same = (facts["stage"], facts["clip"]) == (stage, clip)
        return "is a record of another film" if same else "is the record of something else"

    def path(self, stage: str, clip: int | None = None) -> Path:
        """Its file."""
        return Path(self._path(stage, clip))

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
        publish_bytes(path, sealed(whole))
        try:
            _load(str(path))
        except (
            OSError
        ) as error:  # else the work would be done again and again, and nobody would say why
            raise NotReadable(path, error.strerror) from error
        self._tell(stage, clip)

    def _tell(self, stage: str, clip: int | None) -> None:
        if self.changed is not None:
            self.changed(stage, clip)

    def _path(self, stage: str, clip: int | None) -> str:
        return (
            f"{self.folder}/{stage}.json"
            if clip is None
            else f"{self.folder}/{stage}.{clip:05d}.json"
        )


def _read(path: str) -> bytes | None:
    """A record's file; None where there is none, and nothing of one that cannot be read twice: a folder of its name, or a bad sector."""
    for _ in range(2):
        try:
            return _load(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            spare_file(error)
    return b""


def _load(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - half the time of Path.read_bytes, and it is asked for often
        return file.read()


def _seal(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:16].encode()
