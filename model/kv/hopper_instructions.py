"""Instructions of a Hopper card for which Gluon has no name, as functions of it; for model/kv/quantized_kv_hopper.py."""

from typing import Any

from triton.experimental import gluon
from triton.experimental.gluon import language as gl


@gluon.jit
def take_power(x):
    """2 to the power of it."""
    return gl.inline_asm_elementwise(
        "ex2.approx.ftz.f32 $0, $1;", "=r,r", [x], dtype=gl.float32, is_pure=True, pack=1
    )  # fmt: skip


@gluon.jit
def take_log(x):
    """The logarithm of base 2."""
    return gl.inline_asm_elementwise(
        "lg2.approx.f32 $0, $1;", "=r,r", [x], dtype=gl.float32, is_pure=True, pack=1
    )  # fmt: skip


def _write_scaling(numbers: int) -> str:
    """Instructions that multiply a thread's numbers by the factors of its two rows, which take turns in pairs (NVMMADistributedLayout); a warp whose factors are all ones goes round them."""
    moves = " ".join(f"mov.b32 ${i}, ${numbers + i};" for i in range(numbers))
    products = " ".join(f"mul.f32 ${i}, ${i}, f{i // 2 % 2};" for i in range(numbers))
    ones = "setp.neu.f32 p, f0, 0f3F800000; setp.neu.or.f32 p, f1, 0f3F800000, p;"
    factors = f"mov.b32 f0, ${2 * numbers}; mov.b32 f1, ${2 * numbers + 2};"
    around = "vote.sync.any.pred p, p, 0xffffffff; @!p bra DONE;"
    return f"{{ .reg .pred p; .reg .f32 f0; .reg .f32 f1; {factors} {moves} {ones} {around} {products} DONE: }}"


NUMBERS: Any = gl.constexpr(64)
"""Of a thread, in a tile of 64 rows."""
SCALING: Any = gl.constexpr(_write_scaling(64))
OPERANDS: Any = gl.constexpr(",".join(["=r"] * 64 + ["r"] * 128))


@gluon.jit
def scale_rows(total, factor):
    """Rows [query, d] by their factors, mostly ones."""
    return gl.inline_asm_elementwise(
        SCALING, OPERANDS, [total, gl.expand_dims(factor, 1)], dtype=gl.float32, is_pure=False, pack=NUMBERS
    )  # fmt: skip
