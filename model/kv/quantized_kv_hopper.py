"""Attention in eight bits on a Hopper card, in Gluon: the formula of quantized_kv_triton._attend_kernel with products that run while shares are computed.

One warpgroup a program and two programs a processor, each with its products of eight bits (wgmma) under way: the scores of the next tile and the values of this one are asked for
together, and shares are computed as soon as the scores are there (FlashAttention-3, arXiv 2407.08608, section 3.2). Shares never leave a thread's registers, as values stand in the order in
which scores come (packed.interleave_rows), and their sum, rounded as they are, is one more product: with ones.
"""

from typing import TYPE_CHECKING, Any

import torch
import triton
from torch import Tensor
from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared,
    mbarrier,
    tma,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton.experimental.gluon.nvidia.hopper import TensorDescriptor

from model.kv import kv_shape, packed
from model.ops import fused_triton

if TYPE_CHECKING:
    from model.kv.packed import PackedKV, VisibleRows

WHOLE: Any = gl.constexpr(float(packed.INT8_LARGEST))
LEAST: Any = gl.constexpr(packed.LEAST)
TILE: Any = gl.constexpr(kv_shape.TILE)
LOG2E: Any = gl.constexpr(packed.LOG2E)
RAISED: Any = gl.constexpr(packed.RAISED)
HALVES: Any = gl.constexpr(fused_triton.HALVES.value)
ONE: Any = gl.constexpr(0x38)
"""1 as an eight-bit float."""
QUERIES, WARPS, STAGES, HEAD_DIM = 64, 4, 3, 128
"""Rows of queries that one program answers; its warps; tiles of keys, and of values, that are on their way at once; channels of a head."""
SUMS: Any = gl.constexpr(8)
"""Columns of the product with ones: the fewest that there are."""
LINES: Any = gl.constexpr(gl.NVMMASharedLayout(128, 8, 2))
"""How lines of 128 bytes lie in shared memory."""


@gluon.jit
def _load_queries(
    q, factors, length, token, part, D: gl.constexpr, QUERIES: gl.constexpr, ROWS: gl.constexpr
):  # fmt: skip
    """A program's queries [l, head, d] of a head, turned, as whole numbers in shared memory; and their scales."""
    head = gl.program_id(1)
    row = (gl.program_id(0) * QUERIES + gl.arange(0, QUERIES, gl.SliceLayout(1, ROWS)))[:, None]
    column = gl.arange(0, D, gl.SliceLayout(0, ROWS))[None, :]
    live = row < length
    query = gl.load(q + row * token + head * part + column, mask=live, other=0.0).to(gl.float32)
    angle = gl.load(factors + row * D + column, mask=live, other=0.0)
    cos, sin = gl.split(angle.reshape([QUERIES, D // 2, 2]))
    even, odd = gl.split(query.reshape([QUERIES, D // 2, 2]))
    turned = gl.join(even * cos - odd * sin, odd * cos + even * sin).reshape([QUERIES, D])
    query = gl.convert_layout(turned, ROWS)
    scale = gl.maximum(gl.max(gl.abs(query), 1), LEAST) / WHOLE
    query = (query / scale[:, None] + HALVES - HALVES).to(gl.int8)
    return gl.allocate_shared_memory(gl.int8, [QUERIES, D], LINES, query), scale


@gluon.jit
def _mark_rows(first, block, LAYOUT: gl.constexpr):
    """Ones where a row counts, in the values' order: of a whole tile, of the condition's last, of a block's last."""
    place = gl.arange(0, TILE, gl.SliceLayout(0, LAYOUT))[None, :]
    place += gl.zeros([SUMS, TILE], gl.int32, LAYOUT)
    row = place // 16 * 16 + place // 2 % 2 * 8 + place % 16 // 4 * 2 + place % 2
    # As whole numbers: of eight-bit floats Triton 3.6 stores half (its stmatrix).
    marks = gl.allocate_shared_memory(gl.int8, [3, SUMS, TILE], LINES)
    marks.index(0).store(gl.full([SUMS, TILE], ONE, gl.int8, LAYOUT))
    marks.index(1).store(gl.where(row < first % TILE, ONE, 0).to(gl.int8))
    marks.index(2).store(gl.where(row < block % TILE, ONE, 0).to(gl.int8))
    return marks._reinterpret(gl.float8e4nv, [3, SUMS, TILE], LINES)


@gluon.jit
def _make_barriers(STAGES: gl.constexpr):
    """One for each room of a tile, which opens when the tile is there."""
    ready = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for i in gl.static_range(STAGES):
        mbarrier.init(ready.index(i), count=1)
    return ready


@gluon.jit
def _request_tile(lines, line, ready, room, wanted):
    """Begin to bring a tile of lines into a room, whose barrier waits for it."""
    tma.async_copy_global_to_shared(lines, [line, 0], ready, room, pred=wanted)


@gluon.jit
def _request_first(keys, values, line, seen, key_room, value_room, key_ready, value_ready):
    """Begin to bring as many tiles as there are rooms."""
    STAGES: gl.constexpr = key_room.shape[0]
    for i in gl.static_range(STAGES):
        mbarrier.expect(key_ready.index(i), TILE * TILE, pred=i < seen)
        mbarrier.expect(value_ready.index(i), TILE * TILE, pred=i < seen)
    gl.thread_barrier()
    for i in gl.static_range(STAGES):
        _request_tile(keys, line + i * TILE, key_ready.index(i), key_room.index(i), i < seen)
        _request_tile(values, line + i * TILE, value_ready.index(i), value_room.index(i), i < seen)


@gluon.jit
def _ask_scores(queries, keys, SCORES: gl.constexpr):
    """Ask for the scores of a tile [query, row]."""
    QUERIES: gl.constexpr = queries.shape[0]
    none = gl.zeros([QUERIES, TILE], gl.int32, SCORES)
    return warpgroup_mma(queries, keys.permute((1, 0)), none, use_acc=False, is_async=True)


@gluon.jit
def _share(score, much, most):
    """What falls to each row, of which the highest score gets 2^RAISED."""
    power = gl.fma(score, gl.expand_dims(much, 1), gl.expand_dims(RAISED - most, 1))
    return gl.inline_asm_elementwise(
        # Not pure, so that shares are computed before the next wait for a product.
        "ex2.approx.ftz.f32 $0, $1;", "=r,r", [power], dtype=gl.float32, is_pure=False, pack=1
    )  # fmt: skip


@gluon.jit
def _pair_shares(share, LAYOUT: gl.constexpr):
    """Shares [query, row] as the first factor of a product with values, in the order in which those stand: no register moves."""
    QUERIES: gl.constexpr = share.shape[0]
    share = share.to(gl.float8e4nv).reshape([QUERIES, TILE // 16, 2, 4, 2])
    share = share.permute((0, 1, 3, 2, 4)).reshape([QUERIES, TILE])
    return gl.convert_layout(share, LAYOUT, assert_trivial=True)


@gluon.jit
def _ask_values(share, values, total, ones):
    """Ask for the sum of a tile's values by their shares, added to the total, and for the sum of the shares."""
    SUM: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, SUMS, 32])
    QUERIES: gl.constexpr = share.shape[0]
    none = gl.zeros([QUERIES, SUMS], gl.float32, SUM)
    total = warpgroup_mma(share, values.permute((1, 0)), total, is_async=True)
    share = gl.convert_layout(share, gl.DotOperandLayout(0, SUM, 4), assert_trivial=True)
    return total, warpgroup_mma(share, ones.permute((1, 0)), none, use_acc=False, is_async=True)


@gluon.jit
def _store_attended(attended, out, length, heads):
    """A program's attended values of a head into [l, head, d]."""
    LAYOUT: gl.constexpr = attended.type.layout
    QUERIES: gl.constexpr = attended.shape[0]
    row = (gl.program_id(0) * QUERIES + gl.arange(0, QUERIES, gl.SliceLayout(1, LAYOUT)))[:, None]
    D: gl.constexpr = attended.shape[1]
    column = gl.arange(0, D, gl.SliceLayout(0, LAYOUT))[None, :]
    there = out + (row * heads + gl.program_id(1)) * D + column
    gl.store(there, attended.to(out.dtype.element_ty), mask=row < length)


@gluon.jit
def _next_room(room, phase, STAGES: gl.constexpr):
    """The room of the next tile, and the phase in which its barrier opens."""
    last = room == STAGES - 1
    return gl.where(last, 0, room + 1), gl.where(last, phase ^ 1, phase)


@gluon.jit
def _refill(keys, values, line, seen, tile, key_ready, value_ready, key_room, value_room, room, at):
    """Let the rooms of a tile's keys and of the values of the one before, which every warp has left, be filled with others."""
    STAGES: gl.constexpr = key_room.shape[0]
    key, value = tile + STAGES, tile - 1 + STAGES
    mbarrier.expect(key_ready.index(room), TILE * TILE, pred=key < seen)
    mbarrier.expect(value_ready.index(at), TILE * TILE, pred=value < seen)
    gl.thread_barrier()
    _request_tile(keys, line + key * TILE, key_ready.index(room), key_room.index(room), key < seen)
    _request_tile(
        values, line + value * TILE, value_ready.index(at), value_room.index(at), value < seen
    )


@gluon.jit
def _weigh_first(queries, fine, keys, line, seen, ready, rooms, scales, SCORES: gl.constexpr):
    """The first tile's shares, before there are others, and its highest scores; its keys' room is filled with the next."""
    STAGES: gl.constexpr = rooms.shape[0]
    mbarrier.wait(ready.index(0), 0)
    coming = _ask_scores(queries, rooms.index(0), SCORES)
    much = fine * gl.load(scales)
    score = warpgroup_mma_wait(0, [coming]).to(gl.float32)
    most = gl.max(score, 1) * much
    mbarrier.expect(ready.index(0), TILE * TILE, pred=seen > STAGES)
    gl.thread_barrier()
    _request_tile(keys, line + STAGES * TILE, ready.index(0), rooms.index(0), seen > STAGES)
    mbarrier.wait(ready.index(1), 0, pred=seen > 1)
    return _share(score, much, most), most


@gluon.jit
def _attend_tiles(
    queries, fine, ones, seen, first, block, keys, values, line, key_scales, value_scales, STAGES: gl.constexpr,
):  # fmt: skip
    """The sum of all values by their shares [query, d], divided by that of the shares."""
    SCORES: gl.constexpr = fine.type.layout.parent
    QUERIES: gl.constexpr = queries.shape[0]
    TOTAL: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, TILE, 32])
    SUM: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, SUMS, 32])
    key_room = gl.allocate_shared_memory(gl.int8, [STAGES, TILE, TILE], LINES)
    value_room = gl.allocate_shared_memory(gl.float8e4nv, [STAGES, TILE, TILE], LINES)
    key_ready, value_ready = _make_barriers(STAGES), _make_barriers(STAGES)
    _request_first(keys, values, line, seen, key_room, value_room, key_ready, value_ready)
    total = gl.zeros([QUERIES, TILE], gl.float32, TOTAL)
    weight = gl.zeros([QUERIES, SUMS], gl.float32, SUM)
    share, most = _weigh_first(
        queries, fine, keys, line, seen, key_ready, key_room, key_scales, SCORES
    )
    # Of the tiles of a piece the last may be cut: which ones say what counts there.
    cut_first, cut_block = gl.where(first % TILE == 0, 0, 1), gl.where(block % TILE == 0, 0, 2)
    first_tiles, block_tiles = gl.cdiv(first, TILE), gl.cdiv(block, TILE)
    unit, left, at, phase = gl.load(value_scales), first_tiles - 1, 0, 0
    kind = gl.where(left == 0, cut_first, 0)
    next_key = gl.load(key_scales + gl.minimum(1, seen - 1))
    next_value = gl.load(value_scales + gl.minimum(1, seen - 1))
    for tile in range(1, seen):
        # Asked for together: this tile's scores, and what the tile before adds.
        room, turn = _next_room(at, phase, STAGES)
        coming = _ask_scores(queries, key_room.index(room), SCORES)
        share = _pair_shares(share, gl.DotOperandLayout(0, TOTAL, 4))
        mbarrier.wait(value_ready.index(at), phase)
        total, sums = _ask_values(share, value_room.index(at), total, ones.index(kind))
        much, scale = fine * next_key, next_value
        left = gl.where(left == 0, block_tiles, left) - 1
        kind = gl.where(left == 0, gl.where(tile < first_tiles, cut_first, cut_block), 0)
        ahead = gl.minimum(tile + 1, seen - 1)
        next_key, next_value = gl.load(key_scales + ahead), gl.load(value_scales + ahead)
        # This tile's shares, while the values of the one before are added.
        score = warpgroup_mma_wait(2, [coming]).to(gl.float32)
        now = gl.maximum(most, gl.max(score, 1) * much)
        fade, most = gl.exp2(most - now), now
        share = _share(score, much, now)
        # A branch: else the compiler would compute shares behind the wait for the values.
        after, then = _next_room(room, turn, STAGES)
        mbarrier.wait(key_ready.index(after), then, pred=tile + 1 < seen)
        total, sums = warpgroup_mma_wait(0, [total, sums])
        _refill(
            keys, values, line, seen, tile, key_ready, value_ready, key_room, value_room, room, at
        )
        weight = (weight + sums) * gl.convert_layout(gl.expand_dims(fade, 1), SUM)
        # The total is in units of the scale of the tile that is added next.
        fade *= unit / scale
        unit = scale
        total = total * gl.convert_layout(gl.expand_dims(fade, 1), TOTAL)
        at, phase = room, turn
    share = _pair_shares(share, gl.DotOperandLayout(0, TOTAL, 4))
    mbarrier.wait(value_ready.index(at), phase)
    total, sums = _ask_values(share, value_room.index(at), total, ones.index(kind))
    total, sums = warpgroup_mma_wait(0, [total, sums])
    weight = gl.convert_layout(gl.max(weight + sums, 1), gl.SliceLayout(1, TOTAL))
    return total * gl.expand_dims(unit / weight, 1)


@gluon.jit
def _attend_kernel(
    q, factors, out, keys, values, scales, sharpness, length, heads, tiles, first, block, blocks, token, part,
    D: gl.constexpr, QUERIES: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """Queries [l, head, d], turned here, to a window of `first` rows and then `blocks` of `block` rows, each filled up to whole tiles."""
    ROWS: gl.constexpr = gl.BlockedLayout([1, 8], [2, 16], [4, 1], [1, 0])
    SCORES: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, TILE, 32])
    queries, fine = _load_queries(q, factors, length, token, part, D, QUERIES, ROWS)
    fine = gl.convert_layout(fine, gl.SliceLayout(1, SCORES)) * sharpness * LOG2E
    ones = _mark_rows(first, block, ROWS)
    fence_async_shared()
    head = gl.program_id(1)
    seen = gl.cdiv(first, TILE) + blocks * gl.cdiv(block, TILE)
    attended = _attend_tiles(
        queries, fine, ones, seen, first, block, keys, values, head * tiles * TILE,
        scales + head * tiles, scales + (heads + head) * tiles, STAGES,
    )  # fmt: skip
    _store_attended(attended, out, length, heads)


def attend_packed(q: Tensor, factors: Tensor, window: "PackedKV", seen: "VisibleRows") -> Tensor:
    """quantized_kv.attend_packed, for a batch of one with heads of 128 channels."""
    q = q if q.stride(-1) == 1 else q.contiguous()
    _, length, heads, d = q.shape
    out = torch.empty(1, length, heads, d, dtype=q.dtype, device=q.device)
    keys, values, scales = window
    tiles = scales.shape[-1]
    _attend_kernel[(triton.cdiv(length, QUERIES), heads)](
        q, factors, out, _describe_lines(keys), _describe_lines(values),
        scales, d**-0.5, length, heads, tiles, seen.first, seen.block, seen.blocks,
        q.stride(1), q.stride(2), d, QUERIES, STAGES, num_warps=WARPS,
    )  # fmt: skip
    return out


def _describe_lines(codes: Tensor) -> TensorDescriptor:
    """Codes [..., line, 128] as lines that a card brings a tile at a time."""
    lines = codes.view(-1, codes.shape[-1])
    return TensorDescriptor.from_tensor(lines, [kv_shape.TILE, HEAD_DIM], LINES.value)
