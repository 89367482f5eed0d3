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


RAISED, HEADROOM, FARTHEST = 7.5, 1.0, 1.1875
"""By how many powers of 2 what falls to a value is raised, as an eight-bit float knows nothing finer than 2^-9: from the score by which all are measured to 2^7.5.

A higher score is measured by only if it is higher by more than one power, and a tile's scale of values is the total's only if the total's is further away than by this factor: both seldom change, and with them
what was added before. So what falls to a value is at most 2^8.75, where 448, the largest of eight-bit floats, is 2^8.81. Each power less is one that is lost below: where one key has most, as sinks of attention do, all others are there.
"""


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
    """Whose rows are attended to: in a window the condition's and then the block's own, in slots those of the blocks before; each filled up to whole tiles."""

    first: int
    """Rows of the condition."""
    block: int
    """Rows of one block."""
    blocks: int
    """The block itself and those before it; 0: the condition alone."""

    @property
    def inside(self) -> int:
        """Tiles in the window."""
        return count_tiles(self.first) + min(self.blocks, 1) * count_tiles(self.block)

    def rows(self) -> Iterator[tuple[int | None, int, int]]:
        """Every tile: its slot, or None in the window, its number there, and how many of its rows count."""
        own = count_tiles(self.block)
        for tile, count in enumerate(_split_rows(self.first)):
            yield None, tile, count
        for block in range(self.blocks):
            for tile, count in enumerate(_split_rows(self.block)):
                yield (block - 1, tile, count) if block else (None, self.inside - own + tile, count)


@dataclass(frozen=True)
class SeenKV:
    """All that a block attends to: a window, slots [slot, b, …], and which of their rows."""

    window: PackedKV
    past: PackedKV
    rows: VisibleRows


def _split_rows(rows: int) -> list[int]:
    return [min(TILE, rows - begin) for begin in range(0, rows, TILE)]


def interleave_rows(rows: Tensor) -> Tensor:
    """Rows [..., l] of whole tiles as values keep them: of each 16, first 0, 1, 8 and 9, then 2, 3, 10 and 11, and so on.

    A thread of a tensor core gets the scores of these four together and hands over the shares of four neighbours: so its shares are those of its neighbours, and none goes to
    another thread (PTX ISA, layouts of wgmma's and mma's 8-bit fragments).
    """
    return rearrange(rows, "... (g e t f) -> ... (g t e f)", e=2, t=4, f=2)


def restore_rows(rows: Tensor) -> Tensor:
    """What interleave_rows was given."""
    return rearrange(rows, "... (g t e f) -> ... (g e t f)", e=2, t=4, f=2)
