"""What quantised keys and values are, for the formulas and for the kernels alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from model.kv.kv_shape import TILE, count_tiles

INT8_LARGEST, FP8_LARGEST = 127, 448.0


LEAST = 1e-20
"""Before there is a film there are only zeros, and no scale."""


LOG2E = 1.4426950408889634


RAISED = 8.0
"""What falls to a value is at most 2^8: an eight-bit float knows nothing finer than 2^-9."""


class PackedKV(NamedTuple):
    """Keys and values of some rows, filled up with zeros to whole tiles."""

    keys: Tensor
    """int8 [..., head, row, d]."""
    values: Tensor
    """float8 [..., head, d, row]."""
    scales: Tensor
    """float32 [..., key or value, head, tile]."""


@dataclass(frozen=True)
class VisibleRows:
    """Whose rows lie in a window: the condition's, then those of so many blocks, each filled up to whole tiles."""

    first: int
    """Rows of the condition."""
    block: int
    """Rows of one block."""
    blocks: int

    @property
    def places(self) -> list[slice]:
        """The tiles of the condition, then of each block."""
        first, each = count_tiles(self.first), count_tiles(self.block)
        begins = [first + i * each for i in range(self.blocks)]
        return [slice(0, first), *(slice(at, at + each) for at in begins)]

    @property
    def tiles(self) -> int:
        """Tiles of the condition and all blocks."""
        return self.places[-1].stop

    def rows(self) -> Iterator[tuple[int, int]]:
        """Every tile and how many of its rows count; those that are not full come last."""
        sizes = [self.first] + [self.block] * self.blocks
        cut = []
        for place, rows in zip(self.places, sizes, strict=True):
            whole = rows // TILE
            yield from ((place.start + i, TILE) for i in range(whole))
            cut += [(place.start + whole, rows % TILE)] * bool(rows % TILE)
        yield from cut
