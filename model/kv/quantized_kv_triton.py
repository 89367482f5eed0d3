"""Attention in eight bits on a card, in Triton: queries and keys as whole numbers, values and what falls to them as eight-bit floats (arXiv 2411.10958), over pieces that lie apart.

The formulas stand in model/kv/quantized_kv.py, which calls these; this file is imported where there is a card and Triton.
"""

from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from model.kv import kv_shape, packed
from model.kv.kv_shape import count_tiles
from model.kv.packed import PackedKV
from model.ops.fused_triton import HALVES, apply_rope_rows

if TYPE_CHECKING:
    from model.kv.packed import VisibleRows

WHOLE: Any = tl.constexpr(float(packed.INT8_LARGEST))
FLOAT: Any = tl.constexpr(packed.FP8_LARGEST)
LEAST: Any = tl.constexpr(packed.LEAST)
TILE: Any = tl.constexpr(kv_shape.TILE)
LOG2E: Any = tl.constexpr(packed.LOG2E)
RAISED: Any = tl.constexpr(packed.RAISED)
QUERIES, WARPS, STAGES = 64, 4, 2
"""Rows of queries that one program answers, its warps, and tiles that are on their way at once."""


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
    k, v, factors, keys, values, scales, length, heads, tiles, begin, token, part,
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
    at = row * token + head * part + columns
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


@triton.jit
def _attend_tiles(
    query, fine, most, weight, total, unit, keys, values, key_scales, value_scales, tiles, rows,
    D: tl.constexpr,
):  # fmt: skip
    """Tiles more, of so many rows: the highest score so far, the sum of all shares, and of the values by their shares, in units of the last tile's scale."""
    place = tl.arange(0, TILE)
    # Rows in the order in which values stand.
    row, columns = interleaved_row(place), tl.arange(0, D)
    for tile in range(tiles):
        key = tl.load(keys + (tile * TILE + row[:, None]) * D + columns[None, :])
        value = tl.load(values + (tile * D + columns[:, None]) * TILE + place[None, :])
        much = fine * tl.load(key_scales + tile)
        scale = tl.load(value_scales + tile)
        score = tl.dot(query, tl.trans(key)).to(tl.float32)
        now = tl.maximum(most, tl.max(score, 1) * much)
        lift = -now + RAISED
        share = tl.math.exp2(tl.fma(score, much[:, None], lift[:, None])).to(tl.float8e4nv)
        fade = tl.math.exp2(most - now)
        most = now
        counted = (row < rows - tile * TILE)[None, :]
        weight = weight * fade + tl.sum(tl.where(counted, share.to(tl.float32), 0.0), 1)
        total = tl.dot(share, tl.trans(value), total * (fade * (unit / scale))[:, None])
        unit = scale
    return most, weight, total, unit


@triton.jit
def _attend_kernel(
    q, factors, out, keys, values, scales, past_keys, past_values, past_scales, sharpness, length, heads, tiles,
    first, block, blocks, codes_step, scales_step, token, part,
    D: tl.constexpr, QUERIES: tl.constexpr,
):  # fmt: skip
    """Queries [l, head, d], turned here, to a window of `first` rows and one block of `block` rows, and to the slots of `blocks` - 1 others, each filled up to whole tiles."""
    head = tl.program_id(1).to(tl.int64)
    row = (tl.program_id(0) * QUERIES + tl.arange(0, QUERIES))[:, None]
    columns = tl.arange(0, D)[None, :]
    live = row < length
    at = row * token + head * part + columns
    query = tl.load(q + at, mask=live, other=0.0).to(tl.float32)
    query = apply_rope_rows(query, factors, row, columns, live)
    fine = tl.maximum(tl.max(tl.abs(query), 1), LEAST) / WHOLE
    query = _round_to_int8(query, fine[:, None])
    fine *= sharpness * LOG2E
    most = tl.full([QUERIES], -1e30, tl.float32)
    weight = tl.zeros([QUERIES], tl.float32)
    total = tl.zeros([QUERIES, D], tl.float32)
    first_tiles, block_tiles = tl.cdiv(first, TILE), tl.cdiv(block, TILE)
    unit = tl.load(scales + (heads + head) * tiles)
    begin = head * tiles
    most, weight, total, unit = _attend_tiles(
        query, fine, most, weight, total, unit, keys + begin * TILE * D, values + begin * TILE * D,
        scales + begin, scales + heads * tiles + begin, first_tiles, first, D,
    )  # fmt: skip
    begin += first_tiles
    most, weight, total, unit = _attend_tiles(
        query, fine, most, weight, total, unit, keys + begin * TILE * D, values + begin * TILE * D,
        scales + begin, scales + heads * tiles + begin, tl.minimum(blocks, 1) * block_tiles, block, D,
    )  # fmt: skip
    begin = head * block_tiles
    for slot in range(blocks - 1):
        codes = slot * codes_step + begin * TILE * D
        scale = past_scales + slot * scales_step + begin
        most, weight, total, unit = _attend_tiles(
            query, fine, most, weight, total, unit, past_keys + codes, past_values + codes,
            scale, scale + heads * block_tiles, block_tiles, block, D,
        )  # fmt: skip
    total *= (unit / weight)[:, None]
    tl.store(out + (row * heads + head) * D + columns, total.to(out.dtype.element_ty), mask=live)


def pack_kv(k: Tensor, v: Tensor, factors: Tensor | None, into: PackedKV, begin: int = 0) -> None:
    """quantized_kv.pack_kv, for a batch of one."""
    k, v = _in_rows(k, v)
    _, length, heads, d = k.shape
    keys, values, scales = into
    _pack_kernel[(heads, count_tiles(length))](
        k, v, k if factors is None else factors, keys, values, scales, length, heads, scales.shape[-1], begin,
        k.stride(1), k.stride(2), d, factors is not None, num_warps=8,
    )  # fmt: skip


def apply_rope(packed: PackedKV, factors: Tensor, window: PackedKV) -> None:
    """quantized_kv.apply_rope_packed, for a batch of one."""
    heads, tiles = packed.scales.shape[-2:]
    _apply_rope_kernel[(heads, tiles)](
        packed.keys, packed.scales, factors, window.keys, window.scales, len(factors), tiles,
        window.scales.shape[-1], packed.keys.shape[-1], num_warps=8,
    )  # fmt: skip


def attend_packed(
    q: Tensor, factors: Tensor, window: PackedKV, past: PackedKV, seen: "VisibleRows"
) -> Tensor:
    """quantized_kv.attend_packed, for a batch of one."""
    (q,) = _in_rows(q)
    _, length, heads, d = q.shape
    out = torch.empty(1, length, heads, d, dtype=q.dtype, device=q.device)
    _attend_kernel[(triton.cdiv(length, QUERIES), heads)](
        q, factors, out, *window, *past, d**-0.5, length, heads, window.scales.shape[-1],
        seen.first, seen.block, seen.blocks, past.keys.stride(0), past.scales.stride(0),
        q.stride(1), q.stride(2), d, QUERIES, num_warps=WARPS, num_stages=STAGES,
    )  # fmt: skip
    return out


def _in_rows(*parts: Tensor) -> list[Tensor]:
    """[1, l, head, d] each, whose last axis lies in a row, all in the same way."""
    alike = len({part.stride() for part in parts}) == 1 and parts[0].stride(-1) == 1
    return list(parts) if alike else [part.contiguous() for part in parts]
