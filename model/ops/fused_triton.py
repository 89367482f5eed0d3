"""What a card does between two matrix products, in Triton (Tillet et al. 2019): one pass over memory each, a row of tokens held in registers.

The formulas that they compute stand in model/ops/fused.py, model/s2v/rope.py and model/kv/kv_window.py, which call them; this file is imported where there is a card and Triton.
"""

from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl
from torch import Tensor, nn

from model.ops import fp8
from model.ops.fp8 import FP8_DTYPE, Fp8Linear, Fp8Rows, Rows, input_precision

if TYPE_CHECKING:
    from model.ops.operands import GatedResidual, Modulation

EIGHT_FLOAT: Any = tl.constexpr(fp8.LARGEST)
HALVES: Any = tl.constexpr(12582912.0)
"""1.5 · 2^23: added and taken away again, it rounds a float32 to a whole number, halves to even."""
ROWS, WARPS = 16, 4
"""Rows of heads that one program moves."""


@triton.jit
def _store_row(h, out, codes, scales, row, at, live, D: tl.constexpr, EIGHT: tl.constexpr):
    """A row, in its precision or as eight-bit floats with its scale."""
    if EIGHT:
        scale = tl.maximum(tl.max(tl.abs(h), 0), 1e-12) / EIGHT_FLOAT
        tl.store(scales + row, scale)
        tl.store(codes + row * D + at, (h / scale).to(tl.float8e4nv), mask=live)
    else:
        tl.store(out + row * D + at, h.to(out.dtype.element_ty), mask=live)


# Compiled once for one segment and for several.
@triton.jit(do_not_specialize=["length", "segments", "gate_length", "gates"])
def _norm_modulate_kernel(
    x, y, gate, total, scale, shift, out, codes, scales, eps, length, segments, gate_length, gates, gate_stride, stride,
    D: tl.constexpr, BLOCK: tl.constexpr, ADDS: tl.constexpr, GATED: tl.constexpr, AFFINE: tl.constexpr, EIGHT: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    live = at < D
    value = tl.load(x + row * D + at, mask=live, other=0.0).to(tl.float32)
    if ADDS:
        more = tl.load(y + row * D + at, mask=live, other=0.0).to(tl.float32)
        if GATED:
            # What is added may have other segments than the norm: a layer's of its steps, the injector's of its frames.
            part = tl.minimum(row // gate_length, gates - 1)
            more = more * tl.load(gate + part * gate_stride + at, mask=live, other=0.0)
        value += more
        tl.store(total + row * D + at, value, mask=live)
    mean = tl.sum(value, 0) / D
    centred = tl.where(live, value - mean, 0.0)
    h = centred * tl.rsqrt(tl.sum(centred * centred, 0) / D + eps)
    segment = tl.minimum(row // length, segments - 1)
    much = tl.load(scale + segment * stride + at, mask=live, other=0.0).to(tl.float32)
    far = tl.load(shift + segment * stride + at, mask=live, other=0.0).to(tl.float32)
    h = h * much + far if AFFINE else h * (1.0 + much) + far
    _store_row(h, out, codes, scales, row, at, live, D, EIGHT)


@triton.jit
def _add_residual_kernel(
    x, y, gate, total, length, segments, gate_stride, D: tl.constexpr, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    live = at < D
    segment = tl.minimum(row // length, segments - 1)
    more = tl.load(y + row * D + at, mask=live, other=0.0).to(tl.float32)
    much = tl.load(gate + segment * gate_stride + at, mask=live, other=0.0)
    value = tl.load(x + row * D + at, mask=live, other=0.0).to(tl.float32)
    tl.store(total + row * D + at, value + more * much, mask=live)


@triton.jit
def _quantize_input_kernel(
    x,
    out,
    codes,
    scales,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    GELU: tl.constexpr,
    EIGHT: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    live = at < D
    h = tl.load(x + row * D + at, mask=live, other=0.0).to(tl.float32)
    if GELU:
        # x σ(2z) = x (1 + tanh z) / 2 with z as in arXiv 1606.08415.
        h = h * tl.sigmoid(1.5957691216057308 * (h + 0.044715 * h * h * h))
    _store_row(h, out, codes, scales, row, at, live, D, EIGHT)


@triton.jit
def _rms_norm_kernel(x, weight, out, eps, D: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, BLOCK)
    live = at < D
    h = tl.load(x + row * D + at, mask=live, other=0.0).to(tl.float32)
    h *= tl.rsqrt(tl.sum(h * h, 0) / D + eps)
    h *= tl.load(weight + at, mask=live, other=0.0).to(tl.float32)
    tl.store(out + row * D + at, h.to(out.dtype.element_ty), mask=live)


@triton.jit
def _rms_norm_pair_kernel(x, first, second, out, eps, stride, D: tl.constexpr, BLOCK: tl.constexpr):
    """Rows of two that lie side by side [l, 2, d], a program each, to one behind the other [2, l, d]."""
    row, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    at = tl.arange(0, BLOCK)
    live = at < D
    if part == 0:
        weight = tl.load(first + at, mask=live, other=0.0)
    else:
        weight = tl.load(second + at, mask=live, other=0.0)
    h = tl.load(x + row * stride + part * D + at, mask=live, other=0.0).to(tl.float32)
    h *= tl.rsqrt(tl.sum(h * h, 0) / D + eps)
    there = (part * tl.num_programs(0) + row) * D + at
    tl.store(out + there, (h * weight.to(tl.float32)).to(out.dtype.element_ty), mask=live)


@triton.jit
def apply_rope_rows(value, factors, row, columns, live):
    """Rows of heads in float32, turned: neighbouring channels are a pair. All is read in whole lines and split in registers."""
    rows: tl.constexpr = value.shape[0]
    pairs: tl.constexpr = value.shape[1] // 2
    angle = tl.load(factors + row * value.shape[1] + columns, mask=live, other=0.0)
    cos, sin = tl.split(tl.reshape(angle, [rows, pairs, 2]))
    even, odd = tl.split(tl.reshape(value, [rows, pairs, 2]))
    turned = tl.join(even * cos - odd * sin, odd * cos + even * sin)
    return tl.reshape(turned, [rows, 2 * pairs])


@triton.jit
def _own_block_kernel(
    q, k, v, factors, out, window, kept, own, first, seen, heads, value_stride, D: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Turn q and k [l, head, d]; k and v also go to the window [2, head, seen, d] from row `first` on, and are remembered [2, head, l, d]."""
    # Heads first: programs that run at once then read whole tokens.
    head = tl.program_id(0).to(tl.int64)
    row = (tl.program_id(1) * ROWS + tl.arange(0, ROWS))[:, None].to(tl.int64)
    columns = tl.arange(0, D)[None, :]
    live = row < own
    at = (row * heads + head) * D
    like = window.dtype.element_ty
    query = tl.load(q + at + columns, mask=live, other=0.0).to(tl.float32)
    query = apply_rope_rows(query, factors, row, columns, live).to(like)
    tl.store(out + at + columns, query, mask=live)
    key = tl.load(k + at + columns, mask=live, other=0.0).to(tl.float32)
    key = apply_rope_rows(key, factors, row, columns, live).to(like)
    value = tl.load(v + row * value_stride + head * D + columns, mask=live, other=0.0)
    there = (head * seen + first + row) * D + columns
    tl.store(window + there, key, mask=live)
    tl.store(window + heads * seen * D + there, value, mask=live)
    there = (head * own + row) * D + columns
    tl.store(kept + there, key, mask=live)
    tl.store(kept + heads * own * D + there, value, mask=live)


@triton.jit
def _apply_rope_kernel(x, factors, out, length, heads, D: tl.constexpr, ROWS: tl.constexpr):
    # Heads first: programs that run at once then read whole tokens.
    head = tl.program_id(0).to(tl.int64)
    row = (tl.program_id(1) * ROWS + tl.arange(0, ROWS))[:, None].to(tl.int64)
    columns = tl.arange(0, D)[None, :]
    live = row < length
    at = (row * heads + head) * D
    value = tl.load(x + at + columns, mask=live, other=0.0).to(tl.float32)
    value = apply_rope_rows(value, factors, row, columns, live)
    tl.store(out + at + columns, value.to(out.dtype.element_ty), mask=live)


@triton.jit
def _recall_kernel(
    past, factors, window, first, length, seen, heads, step,
    D: tl.constexpr, ROWS: tl.constexpr, TURNS: tl.constexpr,
):  # fmt: skip
    """Slots of remembered keys and values [slot, 2, head, l, d] into the window [2, head, seen, d], one behind the other from row `first` on; keys are turned on the way."""
    slot = tl.program_id(2).to(tl.int64)
    head = tl.program_id(1).to(tl.int64)
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS))[:, None].to(tl.int64)
    columns = tl.arange(0, D)[None, :]
    live = row < length
    like = window.dtype.element_ty
    value = tl.load(past + slot * step + (head * length + row) * D + columns, mask=live, other=0.0)
    if TURNS:  # noqa: SIM102
        # Of keys and values only keys are turned; Triton joins no branch at run time with one before it.
        if head < heads:
            value = apply_rope_rows(value.to(tl.float32), factors, row, columns, live).to(like)
    tl.store(
        window + (head * seen + first + slot * length + row) * D + columns,
        value,
        mask=live,
    )


def add_norm_modulate(
    x: Tensor, added: "GatedResidual | None", shaping: "Modulation", layer: nn.Module
) -> tuple[Tensor, Rows]:
    """fused.add_norm_modulate."""
    x, width = x.contiguous(), x.shape[-1]
    block = triton.next_power_of_2(width)
    y, gate = (x, None) if added is None else (added.rows.contiguous(), added.gate)
    parts = shaping.lengths if added is None else added.lengths
    total = x if added is None else torch.empty_like(x, dtype=torch.float32)
    out = _allocate_rows(x, layer)
    codes, scales = out if isinstance(out, Fp8Rows) else (x, x)
    _norm_modulate_kernel[(x.numel() // width,)](
        x, y, x if gate is None else gate, total, shaping.scale, shaping.shift,
        x if isinstance(out, Fp8Rows) else out, codes, scales, shaping.eps,
        shaping.lengths[0], len(shaping.lengths), parts[0], len(parts), _stride_of(gate),
        shaping.scale.stride(1), width, block, added is not None, gate is not None,
        shaping.affine, isinstance(out, Fp8Rows), num_warps=choose_warps(block),
    )  # fmt: skip
    return total, out


def add_residual(x: Tensor, added: "GatedResidual") -> Tensor:
    """fused.add_residual with a gate; what comes out is in float32."""
    x, width, gate = x.contiguous(), x.shape[-1], added.gate
    assert gate is not None
    block = triton.next_power_of_2(width)
    total = torch.empty_like(x, dtype=torch.float32)
    _add_residual_kernel[(x.numel() // width,)](
        x, added.rows.contiguous(), gate, total, added.lengths[0], len(added.lengths), _stride_of(gate),
        width, block, num_warps=choose_warps(block),
    )  # fmt: skip
    return total


def quantize_input(x: Tensor, layer: nn.Module, *, gelu: bool) -> Rows:
    """fused.quantize_input, and fused.apply_gelu."""
    x = x.contiguous()
    width = x.shape[-1]
    block = triton.next_power_of_2(width)
    out = _allocate_rows(x, layer)
    eight = isinstance(out, Fp8Rows)
    codes, scales = out if eight else (x, x)
    _quantize_input_kernel[(x.numel() // width,)](
        x,
        x if eight else out,
        codes,
        scales,
        width,
        block,
        gelu,
        eight,
        num_warps=choose_warps(block),
    )
    return out


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """fused.rms_norm."""
    x, width = x.contiguous(), x.shape[-1]
    block = triton.next_power_of_2(width)
    out = torch.empty_like(x)
    _rms_norm_kernel[(x.numel() // width,)](
        x, weight, out, eps, width, block, num_warps=choose_warps(block)
    )
    return out


def rms_norm_pair(x: Tensor, first: Tensor, second: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """fused.rms_norm_pair."""
    x, width = x.contiguous(), len(first)
    block = triton.next_power_of_2(width)
    out = x.new_empty(2, *x.shape[:-1], width)
    _rms_norm_pair_kernel[(x.numel() // x.shape[-1], 2)](
        x, first, second, out, eps, x.shape[-1], width, block, num_warps=choose_warps(block)
    )
    return out[0], out[1]


def apply_rope(x: Tensor, factors: Tensor) -> Tensor:
    """rope.apply_rope of [1, l, head, d], laid out the same."""
    _, length, heads, d = x.shape
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    _apply_rope_kernel[(heads, triton.cdiv(length, ROWS))](
        x.contiguous(), factors, out, length, heads, d, ROWS, num_warps=WARPS
    )
    return out


def recall_slots(window: Tensor, past: Tensor, first: int, factors: Tensor | None = None) -> None:
    """Slots [slot, 2, 1, head, l, d] into the window [2, 1, head, seen, d] from row `first` on; keys are turned by factors [l, d/2, 2] where there are any."""
    slots, _, _, heads, length, d = past.shape
    _recall_kernel[(triton.cdiv(length, ROWS), 2 * heads, slots)](
        past, past if factors is None else factors, window, first, length, window.shape[-2], heads,
        past.stride(0), d, ROWS, factors is not None, num_warps=WARPS,
    )  # fmt: skip


def write_own_block(
    window: Tensor, qkv: tuple[Tensor, Tensor, Tensor], factors: Tensor, kept: Tensor, first: int
) -> Tensor:
    """Turned queries [1, l, head, d]; turned keys, and values, go to the window from row `first` on and are remembered in `kept` [2, 1, head, l, d]."""
    q, k = (part.contiguous() for part in qkv[:2])
    _, length, heads, d = q.shape
    # Values may lie behind queries and keys that were projected with them.
    v = qkv[2] if qkv[2].stride()[2:] == (d, 1) else qkv[2].contiguous()
    out = torch.empty_like(q)
    _own_block_kernel[(heads, triton.cdiv(length, ROWS))](
        q, k, v, factors, out, window, kept, length, first, window.shape[-2], heads, v.stride(1), d, ROWS,
        num_warps=WARPS,
    )  # fmt: skip
    return out


def _stride_of(gate: Tensor | None) -> int:
    """From the gate of one segment to that of the next; where all tokens have one, it is every segment's."""
    return 0 if gate is None or gate.shape[1] == 1 else gate.stride(1)


def choose_warps(block: int) -> int:
    """For a row of so many numbers."""
    return min(8, max(1, block // 2048))


def _allocate_rows(x: Tensor, layer: nn.Module) -> Rows:
    """For rows like x [b, l, d], as a layer takes them."""
    if not isinstance(layer, Fp8Linear):
        return torch.empty_like(x, dtype=input_precision(layer))
    scales = torch.empty(*x.shape[:-1], 1, device=x.device)
    return Fp8Rows(torch.empty_like(x, dtype=FP8_DTYPE), scales)
