"""Attention in eight bits on a Hopper card, in Gluon: products run while shares are computed. The formula stands in model/kv/quantized_kv.py, which calls this; it is imported where there is such a card and Triton.

A program answers 128 queries of a head: two consumers, a warpgroup each, and a producer, one warp that brings tiles of keys and values for both (FlashAttention-3, arXiv 2407.08608, section 3.1). A consumer asks
for the scores of the next tile and the values of this one together (wgmma), and computes shares as soon as the scores are there (section 3.2). Shares never leave a thread's registers, as values stand in the
order in which scores come (packed.interleave_rows), and their sum, rounded as they are, is one more product: with ones. The total is multiplied only where what it is measured by has changed.
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
from model.kv.hopper_instructions import scale_rows, take_log, take_power
from model.kv.kv_shape import LINE_BYTES
from model.ops import fused_triton
from model.ops.hopper_buffers import await_buffer, free_buffer, make_barriers, next_buffer

if TYPE_CHECKING:
    from model.kv.packed import SeenKV

WHOLE: Any = gl.constexpr(float(packed.INT8_LARGEST))
LEAST: Any = gl.constexpr(packed.LEAST)
TILE: Any = gl.constexpr(kv_shape.TILE)
TILE_BYTES: Any = gl.constexpr(kv_shape.TILE * LINE_BYTES)
LOG2E: Any = gl.constexpr(packed.LOG2E)
RAISED: Any = gl.constexpr(packed.RAISED)
HEADROOM: Any = gl.constexpr(packed.HEADROOM)
FARTHEST: Any = gl.constexpr(packed.FARTHEST)
HALVES: Any = gl.constexpr(fused_triton.HALVES.value)
ONE: Any = gl.constexpr(0x38)
"""1 as an eight-bit float."""
QUERIES, WARPS, STAGES = 64, 4, 4
"""Rows of queries that one consumer answers; its warps; tiles of keys, and of values, that are on their way at once: at most 6."""
CONSUMERS: Any = gl.constexpr(2)
CONSUMER_REGISTERS, PRODUCER_REGISTERS = gl.constexpr(240), gl.constexpr(24)
"""Registers of a thread: of a card's 65 536 no more are left."""
SHIFT: Any = gl.constexpr(20)
MOST_LINES = 2**31 - 1
"""As many as a number of 32 bits can name: 275 GB."""
SUMS: Any = gl.constexpr(8)
"""Columns of the product with ones: the fewest that there are."""
LINES: Any = gl.constexpr(gl.NVMMASharedLayout(128, 8, 2))
"""How lines of 128 bytes lie in shared memory."""
ROWS: Any = gl.constexpr(gl.BlockedLayout([1, 8], [2, 16], [4, 1], [1, 0]))
SCORES: Any = gl.constexpr(gl.NVMMADistributedLayout([3, 0], [4, 1], [16, kv_shape.TILE, 32]))
SUM: Any = gl.constexpr(gl.NVMMADistributedLayout([3, 0], [4, 1], [16, 8, 32]))
"""How a warpgroup has queries, scores and attended values, and sums in its registers."""


@gluon.jit
def _load_queries(q, factors, begin, length, token, part, D: gl.constexpr, QUERIES: gl.constexpr):
    """A consumer's queries [l, head, d] of a head, turned, as whole numbers in shared memory; and their scales."""
    row = (begin + gl.arange(0, QUERIES, gl.SliceLayout(1, ROWS)))[:, None]
    column = gl.arange(0, D, gl.SliceLayout(0, ROWS))[None, :]
    live = row < length
    query = gl.load(q + row * token + gl.program_id(1) * part + column, mask=live, other=0.0)
    query = query.to(gl.float32)
    angle = gl.load(factors + row * D + column, mask=live, other=0.0)
    cos, sin = gl.split(angle.reshape([QUERIES, D // 2, 2]))
    even, odd = gl.split(query.reshape([QUERIES, D // 2, 2]))
    turned = gl.join(even * cos - odd * sin, odd * cos + even * sin).reshape([QUERIES, D])
    query = gl.convert_layout(turned, ROWS)
    scale = gl.maximum(gl.max(gl.abs(query), 1), LEAST) / WHOLE
    query = (query / scale[:, None] + HALVES - HALVES).to(gl.int8)
    return gl.allocate_shared_memory(gl.int8, [QUERIES, D], LINES, query), scale


@gluon.jit
def _mark_rows(first, block):
    """Ones where a row counts, in the values' order: of a whole tile, of the condition's last, of a block's last."""
    place = gl.arange(0, TILE, gl.SliceLayout(0, ROWS))[None, :]
    place += gl.zeros([SUMS, TILE], gl.int32, ROWS)
    # quantized_kv_triton.interleaved_row, which Gluon cannot call.
    row = place // 16 * 16 + place // 2 % 2 * 8 + place % 16 // 4 * 2 + place % 2
    # As whole numbers: of eight-bit floats Triton 3.6 stores half (its stmatrix).
    marks = gl.allocate_shared_memory(gl.int8, [3, SUMS, TILE], LINES)
    marks.index(0).store(gl.full([SUMS, TILE], ONE, gl.int8, ROWS))
    marks.index(1).store(gl.where(row < first % TILE, ONE, 0).to(gl.int8))
    marks.index(2).store(gl.where(row < block % TILE, ONE, 0).to(gl.int8))
    return marks._reinterpret(gl.float8e4nv, [3, SUMS, TILE], LINES)


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
def _ask_scores(queries, keys):
    """Ask for the scores of a tile [query, row]."""
    QUERIES: gl.constexpr = queries.shape[0]
    none = gl.zeros([QUERIES, TILE], gl.int32, SCORES)
    return warpgroup_mma(queries, keys.permute((1, 0)), none, use_acc=False, is_async=True)


@gluon.jit
def _share(score, much, raised):
    """What falls to each row: 2 to the power of its score and of what it is raised by."""
    power = gl.fma(score, gl.expand_dims(much, 1), gl.expand_dims(raised, 1))
    return gl.inline_asm_elementwise(
        # Not pure, so that shares are computed before the next wait for a product.
        "ex2.approx.ftz.f32 $0, $1;", "=r,r", [power], dtype=gl.float32, is_pure=False, pack=1
    )  # fmt: skip


@gluon.jit
def _pair_shares(share):
    """Shares [query, row] as the first factor of a product with values, in the order in which those stand: no register moves."""
    QUERIES: gl.constexpr = share.shape[0]
    share = share.to(gl.float8e4nv).reshape([QUERIES, TILE // 16, 2, 4, 2])
    share = share.permute((0, 1, 3, 2, 4)).reshape([QUERIES, TILE])
    return gl.convert_layout(share, gl.DotOperandLayout(0, SCORES, 4), assert_trivial=True)


@gluon.jit
def _ask_values(share, values, total, ones):
    """Ask for the sum of a tile's values by their shares, added to the total, and for the sum of the shares."""
    QUERIES: gl.constexpr = share.shape[0]
    none = gl.zeros([QUERIES, SUMS], gl.float32, SUM)
    total = warpgroup_mma(share, values.permute((1, 0)), total, is_async=True)
    share = gl.convert_layout(share, gl.DotOperandLayout(0, SUM, 4), assert_trivial=True)
    return total, warpgroup_mma(share, ones.permute((1, 0)), none, use_acc=False, is_async=True)


@gluon.jit
def _store_attended(attended, out, begin, length, heads):
    """A consumer's attended values of a head into [l, head, d]."""
    QUERIES: gl.constexpr = attended.shape[0]
    D: gl.constexpr = attended.shape[1]
    row = (begin + gl.arange(0, QUERIES, gl.SliceLayout(1, SCORES)))[:, None]
    column = gl.arange(0, D, gl.SliceLayout(0, SCORES))[None, :]
    there = out + (row * heads + gl.program_id(1)) * D + column
    gl.store(there, attended.to(out.dtype.element_ty), mask=row < length)


@gluon.jit
def _bring_tiles(
    lines, line, past_line, codes, past_codes, jump, inside, seen, magic, key_ready, value_ready, key_buffer, value_buffer,
):  # fmt: skip
    """The producer: bring each tile's keys, and with them the values of the tile before, as they are asked for together; and as they are freed together."""
    STAGES: gl.constexpr = key_buffer.shape[0]
    buffer, at, values = 0, 0, 0
    for tile in range(seen + 1):
        await_buffer(buffer, tile >= STAGES)
        mbarrier.expect(key_ready.index(buffer), TILE_BYTES, pred=tile < seen)
        mbarrier.expect(value_ready.index(at), TILE_BYTES, pred=tile > 0)
        there = _line_of(tile, _slot_of(tile, inside, magic), inside, line, past_line, jump)
        tma.async_copy_global_to_shared(
            lines, [there, 0], key_ready.index(buffer), key_buffer.index(buffer), pred=tile < seen
        )
        tma.async_copy_global_to_shared(
            lines, [values, 0], value_ready.index(at), value_buffer.index(at), pred=tile > 0
        )
        values = there + gl.where(tile < inside, codes, past_codes)
        at, buffer = buffer, gl.where(buffer == STAGES - 1, 0, buffer + 1)


@gluon.jit
def _weigh_first(queries, fine, scales, seen, ready, buffers):
    """The first tile's shares, before there are others, and the scores by which shares are measured: its highest."""
    STAGES: gl.constexpr = buffers.shape[0]
    mbarrier.wait(ready.index(0), 0)
    coming = _ask_scores(queries, buffers.index(0))
    much = fine * gl.load(scales)
    score = warpgroup_mma_wait(0, [coming]).to(gl.float32)
    free_buffer(0, seen >= STAGES)
    base = gl.max(score, 1) * much
    mbarrier.wait(ready.index(1), 0, pred=seen > 1)
    return _share(score, much, RAISED - base), base


@gluon.jit
def _measure_shares(top, base, scale, unit):
    """The scores by which a tile's shares are measured, the factor of what was added before; the unit of the total, and the tile's scale in it."""
    now = gl.where(top > base + HEADROOM, top, base)
    ratio = scale / unit
    unit = gl.where((ratio > FARTHEST) | (ratio * FARTHEST < 1.0), scale, unit)
    return now, take_power(base - now), unit, scale / unit


@gluon.jit
def _attend_tiles(queries, fine, given):
    """The sum of all values by their shares [query, d], divided by that of the shares."""
    ones, scales, past_scales, of_values, past_of_values, scale_jump, first, block, inside, seen, magic, key_ready, value_ready, key_buffer, value_buffer = given  # fmt: skip
    QUERIES: gl.constexpr = queries.shape[0]
    STAGES: gl.constexpr = key_buffer.shape[0]
    value_tiles = value_buffer._reinterpret(gl.float8e4nv, [STAGES, TILE, TILE], LINES)
    total = gl.zeros([QUERIES, TILE], gl.float32, SCORES)
    weight = gl.zeros([QUERIES, SUMS], gl.float32, SUM)
    fade = gl.full([QUERIES], 1.0, gl.float32, gl.SliceLayout(1, SCORES))
    share, base = _weigh_first(queries, fine, scales, seen, key_ready, key_buffer)
    kind, left = _next_kind(0, gl.cdiv(first, TILE), first, block)
    unit, at, opens, ahead = gl.load(scales + of_values), 0, 0, gl.minimum(1, seen - 1)
    ratio = unit / unit
    buffer, phase = next_buffer(at, opens, STAGES)
    next_key, next_value = _load_scales(
        scales, past_scales, of_values, past_of_values, ahead, _slot_of(ahead, inside, magic), inside, scale_jump
    )  # fmt: skip
    for tile in range(1, seen):
        paired = _pair_shares(share)
        # Asked for together: this tile's scores, and what the tile before adds.
        coming = _ask_scores(queries, key_buffer.index(buffer))
        # A branch, too: what follows is computed while scores are.
        mbarrier.wait(value_ready.index(at), opens)
        total = scale_rows(total, fade)
        total, sums = _ask_values(paired, value_tiles.index(at), total, ones.index(kind))
        # Here nobody loses by it; else Triton puts one before the wait for the next keys, in the midst of the shares.
        gl.thread_barrier()
        much, scale = fine * next_key, next_value
        kind, left = _next_kind(tile, left, first, block)
        ahead = gl.minimum(tile + 1, seen - 1)
        next_key, next_value = _load_scales(
            scales, past_scales, of_values, past_of_values, ahead, _slot_of(ahead, inside, magic), inside, scale_jump
        )  # fmt: skip
        # This tile's shares, while the values of the one before are added.
        score = warpgroup_mma_wait(2, [coming]).to(gl.float32)
        before, down = unit, 1.0 / ratio
        base, fade, unit, ratio = _measure_shares(gl.max(score, 1) * much, base, scale, unit)
        share = _share(score, much, RAISED + take_log(ratio) - base)
        # A branch: else the compiler would compute shares behind the wait for the values.
        at, opens = buffer, phase
        buffer, phase = next_buffer(at, opens, STAGES)
        mbarrier.wait(key_ready.index(buffer), phase, pred=tile + 1 < seen)
        total, sums = warpgroup_mma_wait(0, [total, sums])
        free_buffer(at, tile + STAGES <= seen)
        weight = (weight + sums * down) * gl.convert_layout(gl.expand_dims(fade, 1), SUM)
        fade *= gl.where(unit == before, 1.0, before / unit)
    share = _pair_shares(share)
    total = scale_rows(total, fade)
    mbarrier.wait(value_ready.index(at), opens)
    total, sums = _ask_values(share, value_tiles.index(at), total, ones.index(kind))
    total, sums = warpgroup_mma_wait(0, [total, sums])
    weight = gl.convert_layout(gl.max(weight + sums / ratio, 1), gl.SliceLayout(1, SCORES))
    return total * gl.expand_dims(unit / weight, 1)


@gluon.jit
def _consume(asked, given, CONSUMER: gl.constexpr, D: gl.constexpr, QUERIES: gl.constexpr):
    """A consumer: answer its rows of the program's queries."""
    q, factors, out, length, heads, token, part, sharpness = asked
    begin = (gl.program_id(0) * CONSUMERS + CONSUMER) * QUERIES
    queries, fine = _load_queries(q, factors, begin, length, token, part, D, QUERIES)
    fine = gl.convert_layout(fine, gl.SliceLayout(1, SCORES)) * sharpness * LOG2E
    fence_async_shared()
    attended = _attend_tiles(queries, fine, given)
    _store_attended(attended, out, begin, length, heads)


@gluon.jit(do_not_specialize=["line", "past_line", "first", "block", "blocks"])
def _attend_kernel(
    q, factors, out, lines, line, past_line, slot_lines, scales, past_scales, slot_scales, sharpness, length, heads, tiles,
    first, block, blocks, token, part, D: gl.constexpr, QUERIES: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """Queries [l, head, d], turned here, to a window of `first` rows and one block of `block` rows, and to the slots of `blocks` - 1 others, each filled up to whole tiles."""
    ones = _mark_rows(first, block)
    key_buffer = gl.allocate_shared_memory(gl.int8, [STAGES, TILE, TILE], LINES)
    value_buffer = gl.allocate_shared_memory(gl.int8, [STAGES, TILE, TILE], LINES)
    key_ready, value_ready = make_barriers(STAGES), make_barriers(STAGES)
    fence_async_shared()
    head, own = gl.program_id(1), gl.cdiv(block, TILE)
    inside = gl.cdiv(first, TILE) + gl.minimum(blocks, 1) * own
    seen = gl.cdiv(first, TILE) + blocks * own
    magic = (1 << SHIFT) // own + 1
    # Of the past, tiles are counted on from those of the window.
    behind = head * own - inside
    asked = (q, factors, out, length, heads, token, part, sharpness)
    given = (
        ones, scales + head * tiles, past_scales + behind, heads * tiles, heads * own, slot_scales - own, first, block, inside, seen, magic,
        key_ready, value_ready, key_buffer, value_buffer,
    )  # fmt: skip
    brought = (
        lines, line + head * tiles * TILE, past_line + behind * TILE, heads * tiles * TILE, heads * own * TILE,
        slot_lines - own * TILE, inside, seen, magic, key_ready, value_ready, key_buffer, value_buffer,
    )  # fmt: skip
    gl.warp_specialize(
        [
            (_consume, (asked, given, gl.constexpr(0), D, QUERIES)),
            (_consume, (asked, given, gl.constexpr(1), D, QUERIES)),
            (_bring_tiles, brought),
        ],
        [4, 1],
        [CONSUMER_REGISTERS, PRODUCER_REGISTERS],
    )  # fmt: skip


def attend_packed(q: Tensor, factors: Tensor, seen: "SeenKV", out: Tensor | None = None) -> Tensor:
    """quantized_kv.attend_packed, for a batch of one with heads of 128 channels."""
    window, past, visible = seen.window, seen.past, seen.rows
    q = q if q.stride(-1) == 1 else q.contiguous()
    _, length, heads, d = q.shape
    if out is None:
        out = torch.empty(1, length, heads, d, dtype=q.dtype, device=q.device)
    # Without cached blocks nobody asks for them.
    past = past if len(past.keys) else type(past)(*(part[None] for part in window))
    lines, line, past_line = _describe_lines(window.keys, past.keys)
    _attend_kernel[(triton.cdiv(length, CONSUMERS.value * QUERIES), heads)](
        q, factors, out, lines, line, past_line, past.keys.stride(0) // LINE_BYTES,
        window.scales, past.scales, past.scales.stride(0), d**-0.5, length, heads, window.scales.shape[-1],
        visible.first, visible.block, visible.blocks, q.stride(1), q.stride(2), d, QUERIES, STAGES, num_warps=WARPS,
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
