"""The carry: all that a clip takes from those before it. Two are kept, and anchors; one record vouches for all pieces of one."""

from collections.abc import Iterable, Iterator
from typing import Any

from numpy.typing import NDArray

Piece = tuple[str, NDArray[Any]]


class CarryStore:
    """The carries of a run, each named by the clip that it stands before."""

    def publish(self, next_clip: int, pieces: Iterable[Piece]) -> None:
        """Make a carry durable, piece by piece, then its record. All but the newest complete one (and anchors) go first.

        Does nothing where this one, or a newer one, is complete (replaying, the same bits would come out); an anchor that is missing is made.
        """
        raise NotImplementedError

    def newest(self, at_most: int) -> int | None:
        """The largest clip ≤ at_most that a complete carry stands before; None where there is none."""
        raise NotImplementedError

    def load(self, next_clip: int) -> Iterator[Piece]:
        """The pieces of a carry in the order they were given, each verified before it is handed out. Raises NotMade or Damaged."""
        raise NotImplementedError

    def discard(self, next_clip: int) -> None:
        """Remove a carry, for instance a damaged one: record first."""
        raise NotImplementedError
