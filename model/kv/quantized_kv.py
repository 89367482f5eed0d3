"""Keys and values in eight bits, as attention on a card wants them: keys as whole numbers, values as eight-bit floats laid across, a scale for each tile of rows of a head.

Of keys whole numbers lose a third of what eight-bit floats do, and of attention with trained weights that is most of what is lost (`pytest tests/model/kv/test_quantized_kv.py`,
docs/LOG.md).
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from model.kv.kv_shape import TILE, PackedSizes, count_tiles
from model.kv.packed import (
    FARTHEST,
    FP8_LARGEST,
    HEADROOM,
    INT8_LARGEST,
    LEAST,
    LOG2E,
    RAISED,
    PackedKV,
    SeenKV,
    interleave_rows,
    restore_rows,
)
from model.ops.fp8 import FP8_DTYPE as EIGHT
from model.ops.fused import has_kernels, is_hopper
from model.s2v.attention import attend_heads
from model.s2v.rope import apply_rope

HEADS_UNPACKED = 8
"""Heads that are unpacked at once."""
HOPPER_HEAD_DIM = 128
"""The channels of a head that Hopper cards have a kernel of their own for."""

WIDE = torch.int64
"""As which eight-bit numbers are copied: one by one they would come no quicker than so many of these."""


def view_slots(slots: Tensor, sizes: PackedSizes) -> PackedKV:
    """Slots of bytes [slot, byte] as views: keys, values and scales [slot, b, …]."""
    codes, tiles = sizes.codes, sizes.tiles
    lead, scales = (len(slots), sizes.batch), 2 * sizes.batch * sizes.heads * tiles
    return PackedKV(
        slots[:, :codes].view(torch.int8).view(*lead, sizes.heads, tiles * TILE, sizes.head_dim),
        slots[:, codes : 2 * codes]
        .view(EIGHT)
        .view(*lead, sizes.heads, tiles, sizes.head_dim, TILE),
        slots[:, 2 * codes :].view(torch.float32)[:, :scales].view(*lead, 2, sizes.heads, tiles),
    )


def take_slot(slots: PackedKV, slot: int = 0) -> PackedKV:
    """One of packed slots [slot, b, …] as [b, …]."""
    return PackedKV(*(part[slot] for part in slots))


def allocate_packed(sizes: PackedSizes, device: torch.device) -> PackedKV:
    """Packed keys and values of these sizes, all zeros, without a slot axis."""
    slots = torch.zeros(1, sizes.bytes, dtype=torch.uint8, device=device)
    return take_slot(view_slots(slots, sizes))


def pack_kv(k: Tensor, v: Tensor, factors: Tensor | None, into: PackedKV, begin: int = 0) -> None:
    """Keys and values [b, l, head, d] into room for them, from a tile on; keys are turned by factors [l, d/2, 2] where there are any."""
    if has_kernels(k):
        from model.kv import quantized_kv_triton

        quantized_kv_triton.pack_kv(k, v, factors, into, begin)
        return
    there = k if factors is None else apply_rope(k, factors)
    keys, key_scales = _quantize_tiles(
        _repeat_last(rearrange(there, "b l n d -> b n l d")), INT8_LARGEST
    )
    values, value_scales = _quantize_tiles(
        _fill_up(rearrange(v, "b l n d -> b n l d")), FP8_LARGEST
    )
    end = begin + key_scales.shape[-1]
    into.keys[:, :, begin * TILE : end * TILE] = keys.round().to(torch.int8)
    tiles = interleave_rows(rearrange(values, "b n (tile l) d -> b n tile d l", l=TILE))
    into.values[:, :, begin:end] = tiles.to(EIGHT)
    into.scales[..., begin:end] = torch.stack([key_scales, value_scales], 1)


def apply_rope_packed(packed: PackedKV, factors: Tensor, window: PackedKV) -> None:
    """Rotate packed keys by factors [l, d/2, 2] and pack them at the beginning of a window."""
    if has_kernels(packed.keys):
        from model.kv import quantized_kv_triton

        quantized_kv_triton.apply_rope(packed, factors, window)
        return
    keys, _ = unpack_kv(packed, len(factors), torch.float32)
    turned = apply_rope(rearrange(keys, "b n l d -> b l n d"), factors)
    codes, scales = _quantize_tiles(
        _repeat_last(rearrange(turned, "b l n d -> b n l d")), INT8_LARGEST
    )
    window.keys[:, :, : codes.shape[2]] = codes.round().to(torch.int8)
    window.scales[:, 0, :, : scales.shape[2]] = scales


def take_tiles(source: PackedKV, begin: int, to: PackedKV) -> None:
    """Fill packed keys and values with as many tiles of others, from tile `begin` on."""
    end = begin + to.scales.shape[-1]
    _copy_codes(source.keys[:, :, begin * TILE : end * TILE], to.keys)
    _copy_codes(source.values[:, :, begin:end], to.values)
    to.scales.copy_(source.scales[..., begin:end])


def copy_values(source: PackedKV, to: PackedKV) -> None:
    """Copy all values of packed keys and values, and none of the keys, to the beginning of others'."""
    tiles = source.scales.shape[-1]
    _copy_codes(source.values, to.values[:, :, :tiles])
    to.scales[:, 1, :, :tiles] = source.scales[:, 1]


def _copy_codes(codes: Tensor, to: Tensor) -> None:
    if codes.shape[-1] % WIDE.itemsize == 0:
        codes, to = codes.view(WIDE), to.view(WIDE)
    to.copy_(codes)


def attend_packed(q: Tensor, factors: Tensor, seen: SeenKV, out: Tensor | None = None) -> Tensor:
    """Softmax attention of queries [b, l, head, d], turned by factors [l, d/2, 2], to all that is seen; written to `out` where that is given, rows of one tensor.

    Queries are whole numbers as well, with a scale for each row; what falls to a value is an eight-bit float (arXiv 2411.10958), and divided by the sum
    of these, not of what was rounded to them. Tile after tile, as the score by which shares are measured, and the scale in which values are added, decide how a share is rounded.
    """
    if has_kernels(q) and q.shape[-1] == HOPPER_HEAD_DIM and is_hopper(q.device):
        from model.kv import quantized_kv_hopper

        return quantized_kv_hopper.attend_packed(q, factors, seen, out)
    answer = attend_unpacked if q.is_cuda else attend_by_tiles
    attended = answer(q, factors, seen)
    return attended if out is None else out.copy_(attended)


def attend_by_tiles(q: Tensor, factors: Tensor, seen: SeenKV) -> Tensor:
    """attend_packed as a formula, on a processor."""
    window, past = seen.window, seen.past
    turned = rearrange(apply_rope(q.float(), factors), "b l n d -> b n l d")
    fine = turned.abs().amax(-1, keepdim=True).clamp_min(LEAST) / INT8_LARGEST
    query, sharpness = (turned / fine).round(), fine * q.shape[-1] ** -0.5 * LOG2E
    base = torch.full_like(fine, -torch.inf)
    weight, total = torch.zeros_like(fine), torch.zeros_like(turned)
    unit = window.scales[:, 1, :, :1, None]
    for slot, tile, rows in seen.rows.rows():
        of = window if slot is None else take_slot(past, slot)
        key_scale, scale = of.scales[..., tile : tile + 1, None].unbind(1)
        keys = of.keys[:, :, tile * TILE : tile * TILE + rows].float()
        values = restore_rows(of.values[:, :, tile].float())[..., :rows]
        scores = query @ keys.mT * (sharpness * key_scale)
        top, before = scores.amax(-1, keepdim=True), unit
        now = torch.where(top > base + HEADROOM, top, base)
        unit = torch.where((scale / unit > FARTHEST) | (scale / unit * FARTHEST < 1), scale, unit)
        ratio = scale / unit
        share = torch.exp2(scores - now + RAISED + ratio.log2()).to(EIGHT).float()
        fade, base = torch.exp2(base - now), now
        weight = weight * fade + share.sum(-1, keepdim=True) / ratio
        total = total * (fade * (before / unit)) + share @ values.mT
    return rearrange(total * (unit / weight), "b n l d -> b l n d").to(q.dtype)


def attend_unpacked(q: Tensor, factors: Tensor, seen: SeenKV) -> Tensor:
    """attend_packed by torch's own attention, on a card for which there is no kernel: queries and shares are not rounded."""
    window, past, visible = seen.window, seen.past, seen.rows
    marks = torch.cat([torch.arange(TILE) < rows for *_, rows in visible.rows()])
    # Numbers, found on the host: a card would be waited for by whoever asks it which marks are set.
    live = marks.nonzero().flatten().to(q.device)
    turned = rearrange(apply_rope(q, factors), "b l n d -> b n l d")
    attended = []
    # Not all heads at once: what is unpacked is eight times as large in float32, and their cards are small.
    for begin in range(0, turned.shape[1], HEADS_UNPACKED):
        heads = slice(begin, begin + HEADS_UNPACKED)
        pieces = [unpack_kv(_take_heads(window, heads), visible.inside * TILE, q.dtype)]
        for slot in range(max(visible.blocks - 1, 0)):
            rows = count_tiles(visible.block) * TILE
            pieces.append(unpack_kv(_take_heads(take_slot(past, slot), heads), rows, q.dtype))
        keys, values = (torch.cat(parts, 2)[:, :, live] for parts in zip(*pieces, strict=True))
        attended.append(attend_heads(turned[:, heads], keys, values))
    return rearrange(torch.cat(attended, 1), "b n l d -> b l n d")


def _take_heads(packed: PackedKV, heads: slice) -> PackedKV:
    return PackedKV(packed.keys[:, heads], packed.values[:, heads], packed.scales[:, :, heads])


def unpack_kv(packed: PackedKV, rows: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Keys and values [b, head, l, d] again, of the first rows."""
    values = rearrange(restore_rows(packed.values.float()), "b n tile d l -> b n (tile l) d")
    both = zip((packed.keys.float(), values), packed.scales.unbind(1), strict=True)
    keys, values = ((x * _scales_per_row(scales)).to(dtype)[:, :, :rows] for x, scales in both)
    return keys, values


def _quantize_tiles(x: Tensor, largest: float) -> tuple[Tensor, Tensor]:
    """Rows [b, head, l, d] of whole tiles, scaled so that each tile's largest number is this; the scales [b, head, tile]."""
    tiles = rearrange(x.float(), "b n (tile l) d -> b n tile (l d)", l=TILE)
    scales = tiles.abs().amax(-1).clamp_min(LEAST) / largest
    return x.float() / _scales_per_row(scales), scales


def _fill_up(x: Tensor) -> Tensor:
    """Rows [b, head, l, d] and zeros, in whole tiles."""
    return F.pad(x, (0, 0, 0, -x.shape[2] % TILE))


def _repeat_last(x: Tensor) -> Tensor:
    """Rows [b, head, l, d] and the last again and again, in whole tiles."""
    return torch.cat([x, x[:, :, -1:].expand(-1, -1, -x.shape[2] % TILE, -1)], 2)


def _scales_per_row(scales: Tensor) -> Tensor:
    """Scales [b, head, tile] for every row: [b, head, l, 1]."""
    return scales.repeat_interleave(TILE, -1)[..., None]
