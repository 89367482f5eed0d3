"""Keys and values into eight bits on a card, in Triton, as attention wants them.

The formulas stand in model/kv/quantized_kv.py, which calls these; this file is imported where there is a card and Triton.
"""

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from model.kv import kv_shape, packed
from model.kv.kv_shape import count_tiles
from model.kv.packed import PackedKV
from model.ops.fused_triton import HALVES, apply_rope_rows

WHOLE: Any = tl.constexpr(float(packed.INT8_LARGEST))
FLOAT: Any = tl.constexpr(packed.FP8_LARGEST)
LEAST: Any = tl.constexpr(packed.LEAST)
TILE: Any = tl.constexpr(kv_shape.TILE)


@triton.jit
def _round_to_int8(x, scale):
    return (x / scale + HALVES - HALVES).to(tl.int8)


@triton.jit
def _store_keys(key, keys, scales, head, tile, tiles, D: tl.constexpr):
    """A tile of keys [row, d] as whole numbers."""
    scale = tl.maximum(tl.max(tl.abs(key)), LEAST) / WHOLE
    row = tile * TILE + tl.arange(0, TILE)[:, None]
    there = (head * tiles * TILE + row) * D + tl.arange(0, D)[None, :]
    tl.store(keys + there, _round_to_int8(key, scale))
    tl.store(scales + head * tiles + tile, scale)


@triton.jit
def interleaved_row(place):
    """Which row of a tile stands at a place of its values: packed.interleave_rows."""
    return place // 16 * 16 + place // 2 % 2 * 8 + place % 16 // 4 * 2 + place % 2


@triton.jit
def _pack_kernel(
    k, v, factors, keys, values, scales, length, heads, tiles, begin, token, part, value_token, value_part,
    D: tl.constexpr, TURNS: tl.constexpr,
):  # fmt: skip
    """Keys and values [l, head, d] into tiles from `begin` on; behind the last row its key stands again, and values are zeros."""
    head, tile = tl.program_id(0).to(tl.int64), tl.program_id(1)
    place = tl.arange(0, TILE)
    columns = tl.arange(0, D)[None, :]
    row = tl.minimum(tile * TILE + place, length - 1)[:, None]
    key = tl.load(k + row * token + head * part + columns).to(tl.float32)
    if TURNS:
        key = apply_rope_rows(key, factors, row, columns, row < length)
    _store_keys(key, keys, scales, head, begin + tile, tiles, D)
    row = (tile * TILE + interleaved_row(place))[:, None]
    at = row * value_token + head * value_part + columns
    value = tl.load(v + at, mask=row < length, other=0.0).to(tl.float32)
    scale = tl.maximum(tl.max(tl.abs(value)), LEAST) / FLOAT
    there = ((head * tiles + begin + tile) * D + tl.arange(0, D)[:, None]) * TILE + place[None, :]
    tl.store(values + there, tl.trans((value / scale).to(tl.float8e4nv)))
    tl.store(scales + (heads + head) * tiles + begin + tile, scale)


@triton.jit
def _apply_rope_kernel(
    keys, scales, factors, out, out_scales, length, tiles, out_tiles, D: tl.constexpr
):  # fmt: skip
    """Packed keys, turned, at the beginning of others."""
    head, tile = tl.program_id(0).to(tl.int64), tl.program_id(1)
    row = tl.minimum(tile * TILE + tl.arange(0, TILE), length - 1)[:, None]
    columns = tl.arange(0, D)[None, :]
    key = tl.load(keys + (head * tiles * TILE + row) * D + columns).to(tl.float32)
    key *= tl.load(scales + head * tiles + tile)
    key = apply_rope_rows(key, factors, row, columns, row < length)
    _store_keys(key, out, out_scales, head, tile, out_tiles, D)


def pack_kv(k: Tensor, v: Tensor, factors: Tensor | None, into: PackedKV, begin: int = 0) -> None:
    """quantized_kv.pack_kv, for a batch of one."""
    k, v = (part if part.stride(-1) == 1 else part.contiguous() for part in (k, v))
    _, length, heads, d = k.shape
    keys, values, scales = into
    _pack_kernel[(heads, count_tiles(length))](
        k, v, k if factors is None else factors, keys, values, scales, length, heads, scales.shape[-1], begin,
        k.stride(1), k.stride(2), v.stride(1), v.stride(2), d, factors is not None, num_warps=8,
    )  # fmt: skip


def apply_rope(packed: PackedKV, factors: Tensor, window: PackedKV) -> None:
    """quantized_kv.apply_rope_packed, for a batch of one."""
    heads, tiles = packed.scales.shape[-2:]
    _apply_rope_kernel[(heads, tiles)](
        packed.keys, packed.scales, factors, window.keys, window.scales, len(factors), tiles,
        window.scales.shape[-1], packed.keys.shape[-1], num_warps=8,
    )  # fmt: skip
