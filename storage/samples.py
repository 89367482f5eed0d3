"""The sound as the model hears it: mono float32 in one Zarr array, written as it streams by, read in spans."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.records import Records

Sound = NDArray[np.float32]


class SoundArray:
    """Mono float32 at the spec's sample_rate, in chunks of 2^20 samples. Its record (stage `sound`) holds a digest per chunk."""

    def __init__(self, root: Path, records: Records) -> None:
        raise NotImplementedError

    def publish(self, blocks: Iterable[Sound], **facts: Any) -> int:
        """Write the sound as its blocks [sample], of any length, come in; its number of samples. Memory: one chunk."""
        raise NotImplementedError

    def complete(self) -> bool:
        """True if the whole sound is there."""
        raise NotImplementedError

    @property
    def samples(self) -> int:
        """Its length. Raises NotMade."""
        raise NotImplementedError

    def read(self, start: int, stop: int) -> Sound:
        """Samples [start, stop), verified; silence before 0 and beyond the end. Keeps two chunks in memory. Raises NotMade or Damaged."""
        raise NotImplementedError
