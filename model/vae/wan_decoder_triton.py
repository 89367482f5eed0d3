"""What a card does between two convolutions of the VAE's decoder, in Triton (Tillet et al. 2019): one pass over memory each, a pixel's channels held in registers.

The formulas stand in model/vae/wan_decoder.py, which calls these; this file is imported where there is a card and Triton. Whatever a size is, it is not
compiled for: only channels and what is asked are.
"""

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl
from torch import Tensor

if TYPE_CHECKING:
    from model.ops.operands import PendingSum

PIXELS, WARPS = 8192, 8
"""Numbers of pixels that one program moves."""


@triton.jit
def _join_frames(
    h, out, last, frame, pixel, at, live, pixels, frames, C: tl.constexpr, FOLDED: tl.constexpr
):
    """Pixels of a frame, the two that are remembered being -2 and -1, to wherever the next convolution reads them."""
    kept = frame - frames + 2
    tl.store(last + (kept * pixels + pixel) * C + at, h, mask=live & (kept >= 0))
    if FOLDED:
        for ahead in tl.static_range(3):
            seen = frame + ahead
            there = (seen * pixels + pixel) * 3 * C + (2 - ahead) * C
            tl.store(out + there + at, h, mask=live & (seen >= 0) & (seen < frames))
    else:
        tl.store(out + ((frame + 2) * pixels + pixel) * C + at, h, mask=live)


@triton.jit
def _find_rows(index, height, width, PHASED: tl.constexpr):
    """Where pixels lie, in rows of channels: in phases as in wan_decoder.interleave_phases."""
    row = index.to(tl.int64)
    if PHASED:
        line, column = index // width, index % width
        low = (line // height) * (height // 2 + 1) + (line % height + 1) // 2
        low = low.to(tl.int64) * (width // 2 + 1) + (column + 1) // 2
        row = 4 * low + 2 * (line % height % 2) + column % 2
    return row


@triton.jit
def _load_sum(
    y, bias, around, index, at, live, height, width,
    C: tl.constexpr, AROUND: tl.constexpr, PHASED: tl.constexpr, PHASED_AROUND: tl.constexpr,
):  # fmt: skip
    """Pixels of a PendingSum, in float32."""
    there = _find_rows(index, height, width, PHASED) * C + at
    value = tl.load(y + there, mask=live, other=0.0).to(tl.float32)
    value += tl.load(bias + at, mask=at < C, other=0.0)
    if AROUND:
        there = _find_rows(index, height, width, PHASED_AROUND) * C + at
        value += tl.load(around + there, mask=live, other=0.0).to(tl.float32)
    return value


@triton.jit(do_not_specialize=["pixels", "height", "width"])
def _add_parts_kernel(
    y, bias, around, out, pixels, height, width,
    C: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr,
    AROUND: tl.constexpr, PHASED: tl.constexpr, PHASED_AROUND: tl.constexpr,
):  # fmt: skip
    at = tl.arange(0, BLOCK)[None, :]
    index = (tl.program_id(0) * ROWS + tl.arange(0, ROWS))[:, None]
    live = (index < pixels) & (at < C)
    value = _load_sum(
        y, bias, around, index, at, live, height, width, C, AROUND, PHASED, PHASED_AROUND
    )
    tl.store(out + index.to(tl.int64) * C + at, value.to(out.dtype.element_ty), mask=live)


@triton.jit(do_not_specialize=["frames", "height", "width"])
def _activate_kernel(
    y, bias, around, past, gamma, total, out, last, frames, height, width, factor,
    C: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr,
    AROUND: tl.constexpr, PHASED: tl.constexpr, PHASED_AROUND: tl.constexpr,
    NORM: tl.constexpr, FOLDED: tl.constexpr,
):  # fmt: skip
    """Pixels [t, h w, c]: their parts added and, with a norm, normalised and behind a SiLU; the programs behind those that do so bring the two frames that are remembered."""
    at = tl.arange(0, BLOCK)[None, :]
    pixels = height * width
    here = tl.cdiv(frames * pixels, ROWS)
    if tl.program_id(0) < here:
        index = (tl.program_id(0) * ROWS + tl.arange(0, ROWS))[:, None]
        live = (index < frames * pixels) & (at < C)
        h = _load_sum(
            y, bias, around, index, at, live, height, width, C, AROUND, PHASED, PHASED_AROUND
        )
        if NORM:
            if AROUND:
                there = index.to(tl.int64) * C + at
                tl.store(total + there, h.to(total.dtype.element_ty), mask=live)
            h = tl.where(live, h, 0.0)
            # Of a pixel that is nothing but zeros, diffusers divides by this.
            length = tl.maximum(tl.sqrt(tl.sum(h * h, 1)), 1e-12)[:, None]
            h = h / length * (tl.load(gamma + at, mask=at < C, other=0.0).to(tl.float32) * factor)
            h = h * tl.sigmoid(h)
        h = h.to(out.dtype.element_ty)
        frame, pixel = (index // pixels).to(tl.int64), (index % pixels).to(tl.int64)
        _join_frames(h, out, last, frame, pixel, at, live, pixels, frames, C, FOLDED)
    else:
        index = ((tl.program_id(0) - here) * ROWS + tl.arange(0, ROWS))[:, None]
        live = (index < 2 * pixels) & (at < C)
        h = tl.load(past + index.to(tl.int64) * C + at, mask=live, other=0.0)
        frame, pixel = (index // pixels - 2).to(tl.int64), (index % pixels).to(tl.int64)
        _join_frames(h, out, last, frame, pixel, at, live, pixels, frames, C, FOLDED)


def activate_sum(
    parts: "PendingSum", gamma: Tensor | None, past: Tensor, *, folded: bool
) -> tuple[Tensor | None, Tensor, Tensor]:
    """wan_decoder.norm_activate, for a batch of one: the sum, what the convolution reads, what is remembered; without gamma wan_decoder.join_sum."""
    y, around, phased = _lay_out(parts)
    _, frames, height, width, channels = shape = parts.shape
    total = None if gamma is None or parts.around is None else y.new_empty(shape)
    last = torch.empty_like(past)
    out = y.new_empty(
        (1, frames, height, width, 3, channels) if folded else (1, frames + 2, *shape[2:])
    )
    block = triton.next_power_of_2(channels)
    rows = max(1, PIXELS // block)
    programs = (triton.cdiv(count * height * width, rows) for count in (frames, 2))
    _activate_kernel[(sum(programs),)](
        y, parts.bias, around, past.contiguous(), parts.bias if gamma is None else gamma,
        y if total is None else total, out, last, frames, height, width, channels**0.5,
        channels, block, rows, *phased, gamma is not None, folded, num_warps=WARPS,
    )  # fmt: skip
    return total, out.flatten(4) if folded else out, last


def add_parts(parts: "PendingSum") -> Tensor:
    """wan_decoder.add_parts, for a batch of one."""
    y, around, phased = _lay_out(parts)
    _, frames, height, width, channels = parts.shape
    out = y.new_empty(parts.shape)
    block = triton.next_power_of_2(channels)
    rows, pixels = max(1, PIXELS // block), frames * height * width
    _add_parts_kernel[(triton.cdiv(pixels, rows),)](
        y, parts.bias, around, out, pixels, height, width, channels, block, rows, *phased,
        num_warps=WARPS,
    )  # fmt: skip
    return out


def _lay_out(parts: "PendingSum") -> tuple[Tensor, Tensor, tuple[bool, bool, bool]]:
    """The convolution and what went around it (or anything); whether something did, and which of the two lie in phases."""
    convolved, around = parts.convolved, parts.around
    y = convolved.contiguous()
    phased = (around is not None, parts.in_phases(convolved), parts.in_phases(around))
    return y, y if around is None else around.contiguous(), phased
