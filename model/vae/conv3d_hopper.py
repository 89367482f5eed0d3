"""A causal convolution of 3x3x3 in bfloat16 on a Hopper card, in Gluon, quicker than cuDNN's. The formula is F.conv3d's over frames joined with the two before them, in model/vae/wan_decoder.py, which calls this; it is imported where there is such a card and Triton.

A program makes a square of pixels in several frames at once, all sums in registers (an implicit GEMM): two consumers, a warpgroup each, have half of the pixels, and a producer, one warp, brings what both read. A stage is
a shift in x and a chunk of channels: the square of each frame, with a line of pixels above and below, serves the three shifts in y as it lies, as 8 pixels in a line are a period of the swizzle; and frame f + kt serves
every frame f. Pixels go through registers, as a tensor core reads weights alone from shared memory then: 96 channels are products of 64 and of 32 columns, too few to hide a first factor's reading.
"""

from typing import Any

import torch
import triton
from einops import rearrange
from torch import Tensor
from triton.experimental import gluon
from triton.experimental.gluon import constexpr_function
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared,
    mbarrier,
    tma,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton.experimental.gluon.nvidia.hopper import TensorDescriptor

from model.ops.hopper_buffers import await_buffer, free_buffer, make_barriers, next_buffer
from model.vae import conv3d_choice

WIDTH: Any = gl.constexpr(conv3d_choice.WIDTH)
HEIGHT: Any = gl.constexpr(conv3d_choice.HEIGHT)
LINES: Any = gl.constexpr(conv3d_choice.HEIGHT + 2)
"""Lines of a square of pixels with those above and below."""
PIXELS: Any = gl.constexpr(conv3d_choice.HEIGHT * conv3d_choice.WIDTH // 2)
"""A consumer's pixels in each frame: half of the square."""
CHUNK: Any = gl.constexpr(conv3d_choice.CHUNK)
COLUMNS: Any = gl.constexpr(conv3d_choice.COLUMNS)
BUFFERS_BY_FRAMES = {4: (2, 5, 3), 2: (2, 3, 2)}
"""Buffers of pixels, of weights and of a consumer's results: what shared memory holds, by the frames that a program makes."""
WARPS = 4
CONSUMER_REGISTERS, PRODUCER_REGISTERS = gl.constexpr(240), gl.constexpr(24)
"""Registers of a thread: of a card's 65 536 no more are left."""


@constexpr_function
def _shared_layout(columns, rank=2):
    """How rows of numbers lie in shared memory."""
    return gl.NVMMASharedLayout(min(128, 2 * columns), 16, rank)


@constexpr_function
def _sum_layout(columns):
    """How a warpgroup has sums of products in its registers."""
    return gl.NVMMADistributedLayout([3, 0], [4, 1], [16, columns, 16])


@constexpr_function
def _pixel_layout(columns):
    """How a warpgroup has pixels in its registers, the first factor of such sums."""
    return gl.DotOperandLayout(0, _sum_layout(columns), 2)


@constexpr_function
def _count_products(g, frames):
    """The products that read input frame g: two for each output frame that sees it."""
    return 2 * (min(g + 1, frames) - max(g - 2, 0))


@gluon.jit
def _find_tile(tile, sizes):
    """The part of the output channels, and the first frames, line and column of a tile."""
    parts, across, down = sizes
    part, tile = tile % parts, tile // parts
    column, tile = tile % across, tile // across
    return part, tile // down, tile % down * HEIGHT, column * WIDTH


@gluon.jit
def _bring_pixels(
    squares, edges, frame, line, column, channel, buffers, first, full, FRAMES: gl.constexpr
):
    """Bring the squares of all frames that a program sees, with a line above and below, zeros outside of the picture."""
    for g in gl.static_range(FRAMES + 2):
        lines = buffers.index(first + g * LINES)._reinterpret(
            gl.bfloat16, [1, HEIGHT, WIDTH, CHUNK], squares.layout
        )
        where = [frame + g, line - 1, column, channel]
        tma.async_copy_global_to_shared(squares, where, full, lines)
        lines = buffers.index(first + g * LINES + HEIGHT)._reinterpret(
            gl.bfloat16, [1, 2, WIDTH, CHUNK], squares.layout
        )
        where = [frame + g, line + HEIGHT - 1, column, channel]
        tma.async_copy_global_to_shared(edges, where, full, lines)


@gluon.jit
def _bring_tiles(sources, shared, FRAMES: gl.constexpr):
    """The producer: bring the pixels of each stage, and for each of its shifts in y the weights of the three times."""
    squares, edges, weights = sources
    buffers, weight_buffers, ready, weight_ready, sizes, tiles, chunks = shared
    N: gl.constexpr = COLUMNS // FRAMES
    BUFFERS: gl.constexpr = ready.shape[0]
    WEIGHT_BUFFERS: gl.constexpr = weight_ready.shape[0]
    buffer, weight_buffer = 0, 0
    stage, weight_stage = 0, 0
    for tile in range(gl.program_id(0), tiles, gl.num_programs(0)):
        part, frame, line, column = _find_tile(tile, sizes)
        row = part * chunks * 9 * 3 * N
        for at in range(3 * chunks):
            chunk, kx = at // 3, at % 3
            await_buffer(buffer, stage >= BUFFERS)
            full = ready.index(buffer)
            mbarrier.expect(full, (FRAMES + 2) * LINES * WIDTH * CHUNK * 2)
            _bring_pixels(
                squares, edges, frame * FRAMES, line, column + kx - 1, chunk * CHUNK,
                buffers, buffer * (FRAMES + 2) * LINES, full, FRAMES,
            )  # fmt: skip
            stage += 1
            buffer = gl.where(buffer == BUFFERS - 1, 0, buffer + 1)
            for _ky in range(3):
                await_buffer(BUFFERS + weight_buffer, weight_stage >= WEIGHT_BUFFERS)
                full = weight_ready.index(weight_buffer)
                mbarrier.expect(full, 3 * N * CHUNK * 2)
                for i in gl.static_range(9):
                    block = weight_buffers.index(weight_buffer * 9 + i)
                    tma.async_copy_global_to_shared(weights, [row + i * (N // 3), 0], full, block)
                row += 3 * N
                weight_stage += 1
                weight_buffer = gl.where(weight_buffer == WEIGHT_BUFFERS - 1, 0, weight_buffer + 1)


@gluon.jit
def _make_sums(FRAMES: gl.constexpr, COUNT: gl.constexpr):
    """Zeros for the sums of so many columns, of each frame."""
    LAYOUT: gl.constexpr = _sum_layout(COUNT)
    sums = (gl.zeros([PIXELS, COUNT], gl.float32, LAYOUT),)
    for _ in gl.static_range(FRAMES - 1):
        sums = sums + (gl.zeros([PIXELS, COUNT], gl.float32, LAYOUT),)  # type: ignore[assignment] # noqa: RUF005 # Triton has no star here
    return sums


@gluon.jit
def _multiply_pixels(pixels, block, sums, f: gl.constexpr):
    """Ask for pixels by weights, added to the sums of a frame."""
    LAYOUT: gl.constexpr = _pixel_layout(block.shape[0])
    pixels = gl.convert_layout(pixels, LAYOUT, assert_trivial=True)
    total = warpgroup_mma(pixels, block.permute((1, 0)), sums[f], is_async=True)
    return sums[:f] + (total,) + sums[f + 1 :]  # noqa: RUF005


@gluon.jit
def _multiply_step(buffers, first, weight_buffers, block, wide, narrow, FRAMES: gl.constexpr):
    """Add what a shift in y and x of a chunk of channels gives: every frame by the weights of each time."""
    N: gl.constexpr = COLUMNS // FRAMES
    OPERAND: gl.constexpr = _pixel_layout(N // 3 * 2)
    LAYOUT: gl.constexpr = _shared_layout(CHUNK)
    for g in gl.static_range(FRAMES + 2):
        pixels = buffers.index(first + g * LINES)._reinterpret(gl.bfloat16, [PIXELS, CHUNK], LAYOUT)
        pixels = pixels.load(OPERAND)
        for kt in gl.static_range(3):
            if g - kt >= 0 and g - kt < FRAMES:
                weights = weight_buffers.index(block + kt * 3)
                left = weights._reinterpret(gl.bfloat16, [N // 3 * 2, CHUNK], LAYOUT)
                right = weight_buffers.index(block + kt * 3 + 2)
                wide = _multiply_pixels(pixels, left, wide, g - kt)
                narrow = _multiply_pixels(pixels, right, narrow, g - kt)
        # Registers that a product reads must not change until it is waited for.
        if g > 0:
            warpgroup_mma_wait(_count_products(g, FRAMES), [before])  # type: ignore[has-type] # noqa: F821 # bound at g = 0
        before = pixels
    waited = warpgroup_mma_wait(0, wide + narrow + (before,))
    return waited[:FRAMES], waited[FRAMES : 2 * FRAMES]


@gluon.jit
def _store_sums(sums, buffer, out, frame, line, column, channel, PENDING: gl.constexpr):
    """A consumer's sums of a frame into [t, h, w, o], through shared memory; what lies outside of the picture is left out."""
    N: gl.constexpr = sums.shape[1]
    LAYOUT: gl.constexpr = _shared_layout(N)
    tma.store_wait(PENDING)
    made = buffer._reinterpret(gl.bfloat16, [PIXELS, N], LAYOUT)
    made.store(sums.to(gl.bfloat16))
    fence_async_shared()
    box = buffer._reinterpret(gl.bfloat16, [1, PIXELS // WIDTH, WIDTH, N], out.layout)
    tma.async_copy_shared_to_global(out, [frame, line, column, channel], box)


@gluon.jit
def _consume(outputs, shared, CONSUMER: gl.constexpr, FRAMES: gl.constexpr):
    """A consumer: make its half of each tile."""
    made, wide_out, narrow_out = outputs
    buffers, weight_buffers, ready, weight_ready, sizes, tiles, chunks = shared
    N: gl.constexpr = COLUMNS // FRAMES
    BUFFERS: gl.constexpr = ready.shape[0]
    WEIGHT_BUFFERS: gl.constexpr = weight_ready.shape[0]
    MADE: gl.constexpr = made.shape[0] // 2
    own = gl.cdiv(tiles - gl.program_id(0), gl.num_programs(0))
    stages = own * 3 * chunks
    buffer, phase, weight_buffer, weight_phase, stage = 0, 0, 0, 0, 0
    for tile in range(gl.program_id(0), tiles, gl.num_programs(0)):
        part, frame, line, column = _find_tile(tile, sizes)
        wide, narrow = _make_sums(FRAMES, N // 3 * 2), _make_sums(FRAMES, N // 3)
        for _ in range(3 * chunks):
            mbarrier.wait(ready.index(buffer), phase)
            for ky in range(3):
                mbarrier.wait(weight_ready.index(weight_buffer), weight_phase)
                first = buffer * (FRAMES + 2) * LINES + ky + CONSUMER * (PIXELS // WIDTH)
                wide, narrow = _multiply_step(
                    buffers, first, weight_buffers, weight_buffer * 9, wide, narrow, FRAMES
                )
                free_buffer(BUFFERS + weight_buffer, 3 * stage + ky + WEIGHT_BUFFERS < 3 * stages)
                weight_buffer, weight_phase = next_buffer(
                    weight_buffer, weight_phase, WEIGHT_BUFFERS
                )
            free_buffer(buffer, stage + BUFFERS < stages)
            buffer, phase = next_buffer(buffer, phase, BUFFERS)
            stage += 1
        line += CONSUMER * (PIXELS // WIDTH)
        # Where there are three buffers the third is for the narrow sums, else they wait for the wide ones.
        other: gl.constexpr = 2 * (MADE - 2)
        for f in gl.static_range(FRAMES):
            at = frame * FRAMES + f
            buffer_of_wide, buffer_of_narrow = (
                made.index(MADE * CONSUMER),
                made.index(MADE * CONSUMER + other),
            )
            _store_sums(wide[f], buffer_of_wide, wide_out, at, line, column, part * N, MADE - 2)
            _store_sums(
                narrow[f],
                buffer_of_narrow,
                narrow_out,
                at,
                line,
                column,
                part * N + N // 3 * 2,
                MADE - 2,
            )
    tma.store_wait(0)


@gluon.jit(do_not_specialize=["parts", "across", "down", "tiles", "chunks"])
def _convolve_kernel(
    squares, edges, weights, wide_out, narrow_out, parts, across, down, tiles, chunks,
    FRAMES: gl.constexpr, BUFFERS: gl.constexpr, WEIGHT_BUFFERS: gl.constexpr, MADE: gl.constexpr,
):  # fmt: skip
    """Frames [t + 2, h, w, c] to [t, h, w, o]; a tile has HEIGHT x WIDTH pixels in FRAMES frames, and COLUMNS / FRAMES output channels."""
    N: gl.constexpr = COLUMNS // FRAMES
    LAYOUT: gl.constexpr = _shared_layout(CHUNK)
    OUT_LAYOUT: gl.constexpr = _shared_layout(N // 3)
    buffers = gl.allocate_shared_memory(
        gl.bfloat16, [BUFFERS * (FRAMES + 2) * LINES, WIDTH, CHUNK], LAYOUT
    )
    weight_buffers = gl.allocate_shared_memory(
        gl.bfloat16, [WEIGHT_BUFFERS * 9, N // 3, CHUNK], LAYOUT
    )
    made = gl.allocate_shared_memory(gl.bfloat16, [2 * MADE, PIXELS, N // 3], OUT_LAYOUT)
    ready, weight_ready = make_barriers(BUFFERS), make_barriers(WEIGHT_BUFFERS)
    fence_async_shared()
    sizes = (parts, across, down)
    shared = (buffers, weight_buffers, ready, weight_ready, sizes, tiles, chunks)
    outputs = (made, wide_out, narrow_out)
    gl.warp_specialize(
        [
            (_consume, (outputs, shared, gl.constexpr(0), FRAMES)),
            (_consume, (outputs, shared, gl.constexpr(1), FRAMES)),
            (_bring_tiles, ((squares, edges, weights), shared, FRAMES)),
        ],
        [4, 1],
        [CONSUMER_REGISTERS, PRODUCER_REGISTERS],
    )  # fmt: skip


def order_weight(weight: Tensor) -> Tensor:
    """A weight [o, c, 3, 3, 3] as a program reads it: [part, chunk, x, y, t, channel of the part, channel of the chunk]."""
    columns = COLUMNS.value // conv3d_choice.frames_at_once(len(weight))
    order = "(part o) (chunk c) t y x -> part chunk x y t o c"
    return rearrange(weight, order, o=columns, c=CHUNK.value).contiguous()


def convolve_frames(frames: Tensor, ordered: Tensor) -> Tensor:
    """Joined frames [1, t + 2, h, w, c] by an ordered weight → [1, t, h, w, o]."""
    _, joined, height, width, channels = frames.shape
    parts, columns = len(ordered), ordered.shape[-2]
    at_once, narrow = COLUMNS.value // columns, columns // 3
    out = frames.new_empty(1, joined - 2, height, width, parts * columns)
    boxes = [
        _describe_rows(frames[0], [1, lines, WIDTH.value, CHUNK.value])
        for lines in (HEIGHT.value, 2)
    ]
    outs = [
        _describe_rows(out[0], [1, PIXELS.value // WIDTH.value, WIDTH.value, part])
        for part in (2 * narrow, narrow)
    ]
    rows = _describe_rows(ordered.flatten(0, -2), [narrow, CHUNK.value])
    across, down = triton.cdiv(width, WIDTH.value), triton.cdiv(height, HEIGHT.value)
    tiles = parts * across * down * triton.cdiv(joined - 2, at_once)
    processors = torch.cuda.get_device_properties(frames.device).multi_processor_count
    _convolve_kernel[(min(tiles, processors),)](
        *boxes, rows, *outs, parts, across, down, tiles, channels // CHUNK.value,
        at_once, *BUFFERS_BY_FRAMES[at_once], num_warps=WARPS,
    )  # fmt: skip
    return out


def _describe_rows(rows: Tensor, box: list[int]) -> TensorDescriptor:
    """Rows of numbers of which a card brings or stores a box at a time."""
    layout = _shared_layout(box[-1], len(box))
    return TensorDescriptor(rows, list(rows.shape), list(rows.stride()), box, layout)
