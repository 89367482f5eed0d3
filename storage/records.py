"""Commit records: small self-checksummed JSON files that alone say that work is done.

commits/<stage>.<clip>.json, or commits/<stage>.json for a stage that has no clips. A record that is torn, damaged or another run's is no record.
"""

from pathlib import Path
from typing import Any

Facts = dict[str, Any]


class Records:
    """The commit records of a run. Every call reads or writes the disk: another process may have been there."""

    def __init__(self, root: Path, owner: str = "") -> None:
        self.root = root
        self.owner = owner

    def commit(self, stage: str, clip: int | None = None, **facts: Any) -> None:
        """Say, durably, that a stage (of a clip) is done; what it vouches for is already durable."""
        raise NotImplementedError

    def read(self, stage: str, clip: int | None = None) -> Facts | None:
        """The facts of a record and its `state` (done or pruned); None where there is no valid one."""
        raise NotImplementedError

    def complete(self, stage: str, clip: int | None = None) -> bool:
        """True if a valid record says done (not pruned). About 20 µs."""
        raise NotImplementedError

    def withdraw(self, stage: str, clip: int | None = None) -> None:
        """Take a record back, durably: the work is to be done again."""
        raise NotImplementedError

    def prune(self, stage: str, clip: int | None = None, *, remake: str) -> None:
        """Say, durably, that what a record vouched for is gone on purpose, and the command that makes it again. The digest stays."""
        raise NotImplementedError
