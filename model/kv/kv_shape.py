"""Sizes of the KV cache and of the window that a block attends to, in rows and bytes. Without torch."""

from dataclasses import dataclass

HOST_BUFFERS = 4
"""Layers' bytes on the card where the KV cache is on the host: while rows of a wave are multiplied, those of all its steps can come."""
TILE = 128
"""Rows of a head that share a scale, where they are kept in eight bits."""
SCALE_BYTES, LINE_BYTES = 4, 128
"""Bytes of a scale; of memory that is read at once."""


@dataclass(frozen=True)
class Shard:
    """The denoising steps and the layers that one process computes, and whose KV caches it has. Its first and its last step may be cut: the layers before or behind are another's."""

    steps: range
    layers: range
    part: int = 0
    """Which share of a block it has: of its tokens between two attentions, of the heads inside of them."""
    parts: int = 1
    """How many such shares there are, each with a process."""
    begins: int = 0
    """The layer that it begins with at its first step."""
    ends: int | None = None
    """The layer before which it ends at its last step; None: behind all of its layers."""
    branch: int | None = None
    """Of guidance: 0 with prompt and sound, 1 without; None: both, or there is none."""

    def layers_at(self, step: int) -> range:
        """The layers that it computes at a step; none at another's."""
        if step not in self.steps:
            return range(0)
        first = self.begins if step == self.steps[0] else 0
        stop = self.ends if step == self.steps[-1] and self.ends is not None else self.layers.stop
        return range(max(first, self.layers.start), stop)

    @property
    def places(self) -> list[tuple[int, int]]:
        """Each step and layer that it computes, step by step."""
        return [(step, layer) for step in self.steps for layer in self.layers_at(step)]


@dataclass(frozen=True)
class KVShape:
    """Sizes of what a block attends to: rows of the condition, and `latents` latent frames of `tokens` rows, `block` of them its own."""

    batch: int
    heads: int
    head_dim: int
    condition: int
    latents: int
    block: int
    tokens: int

    @property
    def own(self) -> int:
        """Rows (tokens) of one block."""
        return self.block * self.tokens

    @property
    def slots(self) -> int:
        """Blocks that the cache keeps of each layer and step."""
        return self.latents // self.block - 1

    @property
    def rows(self) -> int:
        """Rows that a block attends to: the condition's, its own and the cached."""
        return self.condition + self.latents * self.tokens


@dataclass(frozen=True)
class PackedSizes:
    """Sizes of keys and values [batch, head, row, head_dim] that are kept in eight bits together (model/kv/quantized_kv.py)."""

    batch: int
    heads: int
    rows: int
    head_dim: int

    @property
    def tiles(self) -> int:
        """Tiles that the rows of a head take."""
        return count_tiles(self.rows)

    @property
    def codes(self) -> int:
        """Eight-bit numbers of the keys; the values have as many."""
        return self.batch * self.heads * self.tiles * TILE * self.head_dim

    @property
    def bytes(self) -> int:
        """Bytes of keys, values and scales, up to a whole line of memory."""
        scales = 2 * self.batch * self.heads * self.tiles * SCALE_BYTES
        return -(-(2 * self.codes + scales) // LINE_BYTES) * LINE_BYTES


def count_tiles(rows: int) -> int:
    """Tiles that so many rows take; the last may not be full."""
    return -(-rows // TILE)
