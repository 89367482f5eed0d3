"""Buffers of shared memory that a producer fills on a Hopper card and eight warps of consumers read, in Gluon; they are taken one after the other, again and again."""

from typing import Any

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import mbarrier

FIRST_BUFFER: Any = gl.constexpr(6)
"""The named barrier of a card (0 to 15) for the first buffer; those of the others follow. An mbarrier's arrive would bring barriers of a whole consumer with it, which Triton puts wherever it suspects a hazard. Triton itself has those from 0 on."""


@gluon.jit
def make_barriers(BUFFERS: gl.constexpr):
    """One for each buffer, which opens when what it is for is there."""
    barriers = gl.allocate_shared_memory(gl.int64, [BUFFERS, 1], mbarrier.MBarrierLayout())
    for i in gl.static_range(BUFFERS):
        mbarrier.init(barriers.index(i), count=1)
    return barriers


@gluon.jit
def next_buffer(buffer, phase, BUFFERS: gl.constexpr):
    """The buffer that is read next, and the phase in which its barrier opens."""
    last = buffer == BUFFERS - 1
    return gl.where(last, 0, buffer + 1), gl.where(last, phase ^ 1, phase)


def _write_meeting(instruction: str) -> str:
    """What 288 threads do at a named barrier: those of eight warps of consumers and of the producer."""
    return f"{{ .reg .pred p; setp.ne.b32 p, $2, 0; @p {instruction} $1, 288; mov.b32 $0, 0; }}"


ARRIVE: Any = gl.constexpr(_write_meeting("bar.arrive"))
SYNC: Any = gl.constexpr(_write_meeting("bar.sync"))


@gluon.jit
def _meet(instructions: gl.constexpr, buffer, wanted):
    barrier = FIRST_BUFFER + buffer
    gl.inline_asm_elementwise(
        instructions, "=r,r,r", [barrier, wanted.to(gl.int32)], dtype=gl.int32, is_pure=False, pack=1
    )  # fmt: skip


@gluon.jit
def free_buffer(buffer, wanted):
    """Say that this warp is behind what it read in a buffer; nobody is to hear of it if nothing comes after."""
    _meet(ARRIVE, buffer, wanted)


@gluon.jit
def await_buffer(buffer, wanted):
    """Wait until all eight warps of the consumers are behind what they read in a buffer."""
    _meet(SYNC, buffer, wanted)
