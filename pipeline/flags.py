"""Live Avatar's flags and ours: one table, from which come the parsers, the help and docs/flags.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.request import Request


@dataclass(frozen=True)
class Asked:
    """What a command line asks for, and what is to be said about it."""

    request: "Request"
    notices: tuple[str, ...]
    """One line for each flag that is accepted and does nothing."""


def read_published(arguments: Sequence[str], environment: Mapping[str, str]) -> Asked:
    """Read a Live Avatar command line; torchrun's words and the script's name in front are dropped.

    Raises Refused for a flag that cannot be honoured, BadOption for one that nobody knows.
    """
    raise NotImplementedError


def write_table() -> str:
    """Every flag, what it does here and why, as the Markdown of docs/flags.md."""
    raise NotImplementedError
