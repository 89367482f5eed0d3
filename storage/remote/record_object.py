"""A record (or run.json) as it lies on the store: the file itself, and before it a line that says whose it is and where what it vouches for lies.

    commits/latents.00007.json   {"at":3,"content":{"latents/c.7.0.0.0.0":[196612,"…"]},"epoch":3,"seal":"…"}
                                 {"clip":7,"digest":"…","run":"…","stage":"latents","state":"done","seal":"…"}
    data/00003/latents.00007     the files that it vouches for, one after the other: a state checkpoint has a hundred

A record that was taken back stays, as a line without a file: removing it could not be made to depend on what is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from storage.records import seal_facts, unseal_facts
from storage.schema import ListOf, TableOf, TableWith, Text, Unfit, Whole, check_value
from storage.seed_history import DIGEST

COMMITS, DATA, RUN = "commits", "data", "run.json"
LOCAL = ("frames", "output-")
"""How the names of records begin that stay on their machine: frames are decoded again wherever they are wanted, and are ten times what all else is; an output is a file of this machine."""

FileFacts = tuple[int, str]
"""Bytes and SHA-256."""
_EPOCH = Whole(1, 1 << 40)
_HEAD = TableWith(
    {"epoch": _EPOCH, "at": _EPOCH, "content": TableOf(ListOf(lambda _: None, 2), 1 << 20)}
)


@dataclass(frozen=True)
class RecordObject:
    """What is put under a record's name."""

    epoch: int
    """Of the holder that wrote it."""
    at: int
    """The epoch below which the content lies."""
    content: Mapping[str, FileFacts]
    """Bytes and SHA-256 of each file that it vouches for, by its path in the run, in the order in which they lie in the object."""
    body: bytes
    """The record's file; empty where it was taken back."""

    @classmethod
    def from_bytes(cls, data: bytes) -> Self | None:
        """The object's content; None where it is none that was written here."""
        head, _, body = data.partition(b"\n")
        facts: Any = unseal_facts(head + b"\n")
        try:
            _HEAD(facts)
            content = {name: _read_facts(name, each) for name, each in facts["content"].items()}
        except Unfit:
            return None
        return cls(facts["epoch"], facts["at"], content, body)

    @property
    def size(self) -> int:
        """Bytes of the object with what it vouches for."""
        return sum(size for size, _ in self.content.values())

    def as_bytes(self) -> bytes:
        """The object."""
        content = {name: list(facts) for name, facts in self.content.items()}
        return seal_facts({"epoch": self.epoch, "at": self.at, "content": content}) + self.body


def data_name(epoch: int, name: str) -> str:
    """The object in which a holder puts what a record of this name vouches for; the record is named by its path in the run."""
    return f"{DATA}/{epoch:05d}/{name.rpartition('/')[2].removesuffix('.json')}"


def is_sent(name: str) -> bool:
    """True for the path in a run of a record that goes to the store."""
    folder, _, record = name.partition("/")
    return folder == COMMITS and record.endswith(".json") and not record.startswith((*LOCAL, "."))


def _read_facts(name: str, facts: Any) -> FileFacts:
    check_value(name, facts[0], Whole(0, 1 << 62))
    check_value(name, facts[1], Text(64, DIGEST))
    steps = name.split("/")
    if len(name) > 512 or any(step in {"", ".", ".."} for step in steps):
        raise Unfit(f"{name!r} is no path in a run")
    return facts[0], facts[1]
