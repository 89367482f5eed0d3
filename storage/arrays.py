"""The Zarr arrays of a run: one per stage, one chunk per clip, and nothing trusted because it exists."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.records import Records

Array = NDArray[Any]


class ClipArray:
    """One array [clip, …] of a run. The last clip is stored in full; what lies beyond the film's end is the reader's to cut."""

    name: str
    """Its folder in the run, and the stage whose records vouch for it."""
    shape: tuple[int, ...]
    """Of one clip."""
    dtype: np.dtype[Any]

    def write(self, clip: int, array: Array) -> str:
        """Make a clip's chunk durable and give its digest (SHA-256 of the array's bytes). Says nothing about completeness."""
        raise NotImplementedError

    def publish(self, clip: int, array: Array, **facts: Any) -> None:
        """Make a clip's chunk durable, then its record, which holds the digest and these facts."""
        raise NotImplementedError

    def read(self, clip: int) -> Array:
        """A clip, verified against its record. Raises NotMade, Pruned or Damaged; never gives zeros for what is missing."""
        raise NotImplementedError

    def complete(self, clip: int) -> bool:
        """True if the clip's record says done."""
        raise NotImplementedError

    def digest(self, clip: int) -> str | None:
        """The digest that the clip's record holds, also where it was pruned; None without a record."""
        raise NotImplementedError

    def remove(self, clip: int, *, remake: str) -> None:
        """Prune a clip: its record first says so and how to make it again, then the chunk goes."""
        raise NotImplementedError


class NamedArrays:
    """Arrays with names, each whole in one chunk: what is computed once a run (reference latent, prompt states …)."""

    def __init__(self, root: Path, records: Records, stage: str) -> None:
        raise NotImplementedError

    def publish(self, arrays: Mapping[str, Array], **facts: Any) -> None:
        """Make all of them durable, then one record (stage `inputs`) that vouches for all."""
        raise NotImplementedError

    def complete(self) -> bool:
        """True if the record is there."""
        raise NotImplementedError

    def read(self, name: str) -> Array:
        """One array, verified. Raises NotMade or Damaged."""
        raise NotImplementedError

    def read_all(self) -> dict[str, Array]:
        """All of them by name, verified."""
        raise NotImplementedError
