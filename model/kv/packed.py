"""What quantised keys and values are, for the formulas and for the kernels alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from einops import rearrange
from torch import Tensor

from model.kv.kv_shape import TILE, count_tiles

INT8_LARGEST, FP8_LARGEST = 127, 448.0


LEAST = 1e-20
"""Before there is a film there are only zeros, and no scale."""


LOG2E = 1.4426950408889634


RAISED = 8.0
"""What falls to a value is at most 2^8: an eight-bit float knows nothing finer than 2^-9."""


class PackedKV(NamedTuple):
    """Keys and values of some rows, filled up to whole tiles: keys with the last of them, values with zeros.

    A key that is there twice moves no maximum, and its share is left out of the sum.
    """

    keys: Tensor
    """int8 [..., head, row, d]."""
    values: Tensor
    """float8 [..., head, tile, d, row], each 16 rows of a tile interleaved (interleave_rows)."""
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
        """Every tile and how many of its rows count."""
        sizes = [self.first] + [self.block] * self.blocks
        for place, rows in zip(self.places, sizes, strict=True):
            for i, tile in enumerate(range(place.start, place.stop)):
                yield tile, min(TILE, rows - i * TILE)


def interleave_rows(rows: Tensor) -> Tensor:
    """Rows [..., l] of whole tiles as values keep them: of each 16, first 0, 1, 8 and 9, then 2, 3, 10 and 11, and so on.

    A thread of a tensor core gets the scores of these four together and hands over the shares of four neighbours: so its shares are those of its neighbours, and none goes to
    another thread (PTX ISA, layouts of wgmma's and mma's 8-bit fragments).
    """
    return rearrange(rows, "... (g e t f) -> ... (g t e f)", e=2, t=4, f=2)


def restore_rows(rows: Tensor) -> Tensor:
    """What interleave_rows was given."""
    return rearrange(rows, "... (g t e f) -> ... (g e t f)", e=2, t=4, f=2)
