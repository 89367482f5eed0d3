"""Attention in eight bits on a Hopper card, in Gluon: products run while shares are computed. The formula stands in model/kv/quantized_kv.py, which calls this; it is imported where there is such a card and Triton.

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
from model.kv.kv_shape import LINE_BYTES
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
QUERIES, WARPS, STAGES = 64, 4, 3
"""Rows of queries that one program answers; its warps; tiles of keys, and of values, that are on their way at once."""
SHIFT: Any = gl.constexpr(20)
MOST_LINES = 2**31 - 1
"""As many as a number of 32 bits can name: 275 GB."""
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
    # quantized_kv_triton.interleaved_row, which Gluon cannot call.
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
def _slot_of(tile, inside, magic):
    """Which slot a tile lies in, by a product and not a division; 0 for those of the window."""
    return gl.maximum(tile - inside, 0) * magic >> SHIFT


@gluon.jit
def _line_of(tile, slot, inside, line, past_line, jump):
    """The first line of a tile of the window, or of a slot; between slots is a gap."""
    return tile * TILE + gl.where(tile < inside, line, past_line + slot * jump)


@gluon.jit
def _load_scales(scales, past_scales, of_values, past_of_values, tile, slot, inside, jump):
    """The scales of a tile's keys and of its values."""
    here = tile < inside
    place = gl.where(here, scales + tile, past_scales + (tile + slot * jump))
    return gl.load(place), gl.load(place + gl.where(here, of_values, past_of_values))


@gluon.jit
def _next_kind(tile, left, first, block):
    """Which ones say what counts in a tile, of a piece of which so many were left: all, or the last of the condition or of a block, which may be cut. And how many are left now."""
    first_tiles = gl.cdiv(first, TILE)
    left = gl.where(left == 0, gl.cdiv(block, TILE), left) - 1
    cut_first, cut_block = gl.where(first % TILE == 0, 0, 1), gl.where(block % TILE == 0, 0, 2)
    return gl.where(left == 0, gl.where(tile < first_tiles, cut_first, cut_block), 0), left


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
def _expect_pair(key_ready, value_ready, key, value, key_wanted, value_wanted):
    """Let the barriers of a room of keys and of one of values wait for their next tiles; whoever reads them is behind it."""
    mbarrier.expect(key_ready.index(key), TILE * TILE, pred=key_wanted)
    mbarrier.expect(value_ready.index(value), TILE * TILE, pred=value_wanted)
    gl.thread_barrier()


@gluon.jit
def _request_tile(lines, line, ready, rooms, room, wanted):
    """Begin to bring a tile of lines into a room."""
    tma.async_copy_global_to_shared(
        lines, [line, 0], ready.index(room), rooms.index(room), pred=wanted
    )


@gluon.jit
def _request_first(
    lines, line, past_line, codes, past_codes, jump, inside, seen, magic, key_ready, value_ready, key_room, value_room,
):  # fmt: skip
    """Begin to bring as many tiles as there are rooms; the first line of the keys behind them."""
    STAGES: gl.constexpr = key_room.shape[0]
    for i in gl.static_range(STAGES):
        _expect_pair(key_ready, value_ready, i, i, i < seen, i < seen)
        there = _line_of(i, _slot_of(i, inside, magic), inside, line, past_line, jump)
        _request_tile(lines, there, key_ready, key_room, i, i < seen)
        there += gl.where(i < inside, codes, past_codes)
        _request_tile(lines, there, value_ready, value_room, i, i < seen)
    return _line_of(STAGES, _slot_of(STAGES, inside, magic), inside, line, past_line, jump)


@gluon.jit
def _weigh_first(queries, fine, lines, there, seen, scales, ready, rooms, SCORES: gl.constexpr):
    """The first tile's shares, before there are others, and its highest scores; its keys' room is filled with the next."""
    STAGES: gl.constexpr = rooms.shape[0]
    mbarrier.wait(ready.index(0), 0)
    coming = _ask_scores(queries, rooms.index(0), SCORES)
    much = fine * gl.load(scales)
    score = warpgroup_mma_wait(0, [coming]).to(gl.float32)
    most = gl.max(score, 1) * much
    mbarrier.expect(ready.index(0), TILE * TILE, pred=seen > STAGES)
    gl.thread_barrier()
    _request_tile(lines, there, ready, rooms, 0, seen > STAGES)
    mbarrier.wait(ready.index(1), 0, pred=seen > 1)
    return _share(score, much, most), most


@gluon.jit
def _refill(
    lines, line, past_line, codes, past_codes, jump, inside, seen, magic, there, tile, key_ready, value_ready, key_room, value_room, room, at,
):  # fmt: skip
    """Let a tile's room, and that of the values before, be filled with others. What was asked for last, at `there`, are the keys of these values; the line of those keys now."""
    STAGES: gl.constexpr = key_room.shape[0]
    key = tile + STAGES
    _expect_pair(key_ready, value_ready, room, at, key < seen, key <= seen)
    values = there + gl.where(key - 1 < inside, codes, past_codes)
    there = _line_of(key, _slot_of(key, inside, magic), inside, line, past_line, jump)
    _request_tile(lines, there, key_ready, key_room, room, key < seen)
    _request_tile(lines, values, value_ready, value_room, at, key <= seen)
    return there


@gluon.jit
def _attend_tiles(
    queries, fine, ones, lines, line, past_line, codes, past_codes, jump, scales, past_scales, of_values, past_of_values, scale_jump,
    first, block, inside, seen, STAGES: gl.constexpr,
):  # fmt: skip
    """The sum of all values by their shares [query, d], divided by that of the shares."""
    SCORES: gl.constexpr = fine.type.layout.parent
    QUERIES: gl.constexpr = queries.shape[0]
    TOTAL: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, TILE, 32])
    SUM: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, SUMS, 32])
    key_room = gl.allocate_shared_memory(gl.int8, [STAGES, TILE, TILE], LINES)
    value_room = gl.allocate_shared_memory(gl.int8, [STAGES, TILE, TILE], LINES)
    value_tiles = value_room._reinterpret(gl.float8e4nv, [STAGES, TILE, TILE], LINES)
    key_ready, value_ready = _make_barriers(STAGES), _make_barriers(STAGES)
    magic = (1 << SHIFT) // gl.cdiv(block, TILE) + 1
    there = _request_first(lines, line, past_line, codes, past_codes, jump, inside, seen, magic, key_ready, value_ready, key_room, value_room)  # fmt: skip
    total = gl.zeros([QUERIES, TILE], gl.float32, TOTAL)
    weight = gl.zeros([QUERIES, SUMS], gl.float32, SUM)
    share, most = _weigh_first(queries, fine, lines, there, seen, scales, key_ready, key_room, SCORES)  # fmt: skip
    kind, left = _next_kind(0, gl.cdiv(first, TILE), first, block)
    unit, at, phase, ahead = gl.load(scales + of_values), 0, 0, gl.minimum(1, seen - 1)
    next_key, next_value = _load_scales(
        scales, past_scales, of_values, past_of_values, ahead, _slot_of(ahead, inside, magic), inside, scale_jump
    )  # fmt: skip
    for tile in range(1, seen):
        # Asked for together: this tile's scores, and what the tile before adds.
        room, turn = _next_room(at, phase, STAGES)
        coming = _ask_scores(queries, key_room.index(room), SCORES)
        share = _pair_shares(share, gl.DotOperandLayout(0, TOTAL, 4))
        mbarrier.wait(value_ready.index(at), phase)
        total, sums = _ask_values(share, value_tiles.index(at), total, ones.index(kind))
        much, scale = fine * next_key, next_value
        kind, left = _next_kind(tile, left, first, block)
        ahead = gl.minimum(tile + 1, seen - 1)
        next_key, next_value = _load_scales(
            scales, past_scales, of_values, past_of_values, ahead, _slot_of(ahead, inside, magic), inside, scale_jump
        )  # fmt: skip
        # This tile's shares, while the values of the one before are added.
        score = warpgroup_mma_wait(2, [coming]).to(gl.float32)
        now = gl.maximum(most, gl.max(score, 1) * much)
        fade, most = gl.exp2(most - now), now
        share = _share(score, much, now)
        # A branch: else the compiler would compute shares behind the wait for the values.
        after, then = _next_room(room, turn, STAGES)
        mbarrier.wait(key_ready.index(after), then, pred=tile + 1 < seen)
        total, sums = warpgroup_mma_wait(0, [total, sums])
        # Every warp is behind these scores and those values: their rooms are filled anew.
        there = _refill(lines, line, past_line, codes, past_codes, jump, inside, seen, magic, there, tile, key_ready, value_ready, key_room, value_room, room, at)  # fmt: skip
        weight = (weight + sums) * gl.convert_layout(gl.expand_dims(fade, 1), SUM)
        # The total is in units of the scale of the tile that is added next.
        fade *= unit / scale
        unit = scale
        total = total * gl.convert_layout(gl.expand_dims(fade, 1), TOTAL)
        at, phase = room, turn
    share = _pair_shares(share, gl.DotOperandLayout(0, TOTAL, 4))
    mbarrier.wait(value_ready.index(at), phase)
    total, sums = _ask_values(share, value_tiles.index(at), total, ones.index(kind))
    total, sums = warpgroup_mma_wait(0, [total, sums])
    weight = gl.convert_layout(gl.max(weight + sums, 1), gl.SliceLayout(1, TOTAL))
    return total * gl.expand_dims(unit / weight, 1)


@gluon.jit(do_not_specialize=["line", "past_line", "first", "block", "blocks"])
def _attend_kernel(
    q, factors, out, lines, line, past_line, slot_lines, scales, past_scales, slot_scales, sharpness, length, heads, tiles,
    first, block, blocks, token, part, D: gl.constexpr, QUERIES: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """Queries [l, head, d], turned here, to a window of `first` rows and one block of `block` rows, and to the slots of `blocks` - 1 others, each filled up to whole tiles."""
    ROWS: gl.constexpr = gl.BlockedLayout([1, 8], [2, 16], [4, 1], [1, 0])
    SCORES: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, TILE, 32])
    queries, fine = _load_queries(q, factors, length, token, part, D, QUERIES, ROWS)
    fine = gl.convert_layout(fine, gl.SliceLayout(1, SCORES)) * sharpness * LOG2E
    ones = _mark_rows(first, block, ROWS)
    fence_async_shared()
    head, own = gl.program_id(1), gl.cdiv(block, TILE)
    inside = gl.cdiv(first, TILE) + gl.minimum(blocks, 1) * own
    seen = gl.cdiv(first, TILE) + blocks * own
    # Of the past, tiles are counted on from those of the window.
    behind = head * own - inside
    attended = _attend_tiles(
        queries, fine, ones, lines, line + head * tiles * TILE, past_line + behind * TILE, heads * tiles * TILE, heads * own * TILE,
        slot_lines - own * TILE, scales + head * tiles, past_scales + behind, heads * tiles, heads * own, slot_scales - own,
        first, block, inside, seen, STAGES,
    )  # fmt: skip
    _store_attended(attended, out, length, heads)


def attend_packed(
    q: Tensor, factors: Tensor, window: "PackedKV", past: "PackedKV", seen: "VisibleRows"
) -> Tensor:
    """quantized_kv.attend_packed, for a batch of one with heads of 128 channels."""
    q = q if q.stride(-1) == 1 else q.contiguous()
    _, length, heads, d = q.shape
    out = torch.empty(1, length, heads, d, dtype=q.dtype, device=q.device)
    # Without cached blocks nobody asks for them.
    past = past if len(past.keys) else type(past)(*(part[None] for part in window))
    lines, line, past_line = _describe_lines(window.keys, past.keys)
    _attend_kernel[(triton.cdiv(length, QUERIES), heads)](
        q, factors, out, lines, line, past_line, past.keys.stride(0) // LINE_BYTES,
        window.scales, past.scales, past.scales.stride(0), d**-0.5, length, heads, window.scales.shape[-1],
        seen.first, seen.block, seen.blocks, q.stride(1), q.stride(2), d, QUERIES, STAGES, num_warps=WARPS,
    )  # fmt: skip
    return out


def _describe_lines(window: Tensor, past: Tensor) -> tuple[TensorDescriptor, int, int]:
    """Lines of 128 bytes, of which a card brings a tile at a time, from the lower of two tensors to the end of memory; and the first line of each. Nobody asks for what lies between them."""
    lower = min(window, past, key=Tensor.data_ptr)
    line, past_line = (
        (part.data_ptr() - lower.data_ptr()) // LINE_BYTES for part in (window, past)
    )
    shape, block = [MOST_LINES, LINE_BYTES], [kv_shape.TILE, LINE_BYTES]
    return TensorDescriptor(lower, shape, [LINE_BYTES, 1], block, LINES.value), line, past_line
