"""Each kernel of a card does what its formula says; where there is no card they run in Triton's interpreter."""

from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from model.kv import kv_window
from model.kv.kv_shape import KVShape
from model.kv.kv_window import BlockPosition
from model.ops import fused
from model.ops.fp8 import FP8_DTYPE, Fp8Linear, Fp8Rows, Rows
from model.ops.operands import GatedResidual, Modulation
from model.s2v import rope
from model.s2v.rope import apply_rope

L, DIM, HEADS, D = 37, 96, 3, 32
CARD = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CARD else "cpu")
# The interpreter cuts numbers off where a card rounds them.
BOUND = {"float32": 1e-6, "bf16": 2e-3 if CARD else 5e-3, "fp8": 3.5e-2 if CARD else 8e-2}
NAMES = (
    "add_norm_modulate", "add_residual", "quantize_input", "rms_norm", "rms_norm_pair", "apply_rope",
)  # fmt: skip
LENGTHS = [(37,), (30, 7), (13, 13, 11)]


@pytest.fixture(scope="module")
def kernels(triton_kernels) -> ModuleType:
    return triton_kernels("model.ops.fused_triton")


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return numbers.to(DEVICE, dtype)


def linear(kind: str) -> nn.Module:
    if kind == "fp8":
        layer = Fp8Linear(DIM, DIM, bias=True)
        layer.bias.data = layer.bias.data.bfloat16()
        return layer.to(DEVICE)
    dtype = torch.bfloat16 if kind == "bf16" else torch.float32
    return nn.Linear(DIM, DIM, dtype=dtype, device=DEVICE)


def values(made: Rows) -> Tensor:
    return made.codes.float() * made.scales if isinstance(made, Fp8Rows) else made.float()


def distance(a: Tensor, b: Tensor) -> float:
    return float((a.float() - b.float()).norm() / b.float().norm())


@pytest.mark.parametrize("kind", BOUND)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("gated", [True, False])
def test_tokens_enter_a_layer(kernels, kind: str, lengths: tuple[int, ...], gated: bool) -> None:
    """Residual, norm and modulation of each segment: the same sum, and the same rows within what the layer's precision rounds."""
    shape = (1, len(lengths), 6, DIM)
    scale, shift, gate = draw(*shape, seed=1).unbind(2)[:3]
    shaping = Modulation(scale, shift, lengths, 1e-6)
    x, layer = draw(1, L, DIM, seed=2), linear(kind)
    assert (
        distance(
            values(kernels.add_norm_modulate(x, None, shaping, layer)[1]),
            values(fused.add_norm_modulate(x, None, shaping, linear("float32"))[1]),
        )
        < BOUND[kind]
    )
    added = GatedResidual(
        draw(1, L, DIM, seed=3, dtype=torch.bfloat16), gate if gated else None, lengths
    )
    total, made = kernels.add_norm_modulate(x, added, shaping, layer)
    wanted, formed = fused.add_norm_modulate(x, added, shaping, linear("float32"))
    assert distance(total, wanted) < 1e-6
    assert distance(values(made), values(formed)) < BOUND[kind]
    if gated:
        assert distance(kernels.add_residual(x, added), wanted) < 1e-6


@pytest.mark.parametrize("gates", LENGTHS, ids=str)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_what_is_added_has_segments_of_its_own(
    kernels, lengths: tuple[int, ...], gates: tuple[int, ...]
) -> None:
    """One gate, or as many as it has segments, whichever the norm behind it has."""
    scale, shift = draw(1, len(lengths), 2, DIM, seed=1).unbind(2)
    shaping = Modulation(scale, shift, lengths, 1e-6)
    x, layer = draw(1, L, DIM, seed=2), linear("float32")
    added = GatedResidual(draw(1, L, DIM, seed=3), draw(1, len(gates), DIM, seed=4), gates)
    made = kernels.add_norm_modulate(x, added, shaping, layer)
    for one, other in zip(made, fused.add_norm_modulate(x, added, shaping, layer), strict=True):
        assert distance(one, other) < 1e-6


def test_a_norm_with_its_own_weights(kernels) -> None:
    """Its weight is the factor itself, not one more than it."""
    norm = nn.LayerNorm(DIM, device=DEVICE)
    norm.weight.data, norm.bias.data = draw(DIM, seed=4), draw(DIM, seed=5)
    x, layer = draw(1, L, DIM), linear("float32")
    with torch.no_grad():
        made = kernels.add_norm_modulate(x, None, fused.affine_modulation(norm, L), layer)[1]
        assert distance(made, norm(x)) < 1e-6


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("kind", BOUND)
@pytest.mark.parametrize("gelu", [True, False])
def test_rows_are_handed_over(kernels, kind: str, gelu: bool) -> None:
    """Through the activation or as they are; rows of zeros stay zeros."""
    x = draw(1, L, DIM) * 3
    x[:, 5] = 0
    wanted = torch.nn.functional.gelu(x, approximate="tanh") if gelu else x
    made = values(kernels.quantize_input(x, linear(kind), gelu=gelu))
    assert distance(made, wanted) < BOUND[kind]
    assert not made[:, 5].any()


def test_eight_bit_floats_are_the_formulas(kernels) -> None:
    """Code by code, but for numbers that lie between two."""
    x = draw(1, L, DIM)
    from model.ops.fp8 import quantize_rows

    made, wanted = kernels.quantize_input(x, linear("fp8"), gelu=False), quantize_rows(x)
    assert torch.allclose(made.scales, wanted.scales)
    assert made.codes.dtype == FP8_DTYPE
    same = made.codes.float() == wanted.codes.float()
    assert same.float().mean() > (0.99 if CARD else 0.4)
    near = torch.isclose(made.codes.float(), wanted.codes.float(), rtol=0.13, atol=2**-9)
    assert near.float().mean() > (0.9999 if CARD else 0.9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_root_mean_square(kernels, dtype: torch.dtype) -> None:
    """Rounded before the weight, as the formula has it."""
    x, weight = draw(1, L, DIM, dtype=dtype), draw(DIM, seed=1, dtype=dtype)
    made = kernels.rms_norm(x, weight, 1e-6)
    assert distance(made, fused.rms_norm(x, weight, 1e-6)) < (
        1e-6 if dtype == torch.float32 else 2 * BOUND["bf16"]
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_root_mean_square_of_two_side_by_side(kernels, dtype: torch.dtype) -> None:
    """The first two thirds of each row, each with its weight; as each by itself."""
    x = draw(1, L, 3 * DIM, dtype=dtype)
    weights = draw(2, DIM, seed=1, dtype=dtype).unbind()
    for part, weight, made in zip(
        x.chunk(3, -1), weights, kernels.rms_norm_pair(x, *weights, 1e-6), strict=False
    ):
        assert torch.equal(made, kernels.rms_norm(part.contiguous(), weight, 1e-6))


def test_the_formulas_hand_over_to_the_kernels(kernels, monkeypatch) -> None:
    """Where there are kernels each function of fused, and rope's, gives what its kernel gives: the same to within rounding, by the names that the kernels have."""
    x, factors = draw(1, L, HEADS, D), angles(L)
    rows, weight, thirds = draw(1, L, DIM), draw(DIM, seed=1), draw(1, L, 3 * DIM)
    scale, shift, gate = draw(1, 1, 6, DIM, seed=1).unbind(2)[:3]
    shaping, layer = Modulation(scale, shift, (L,), 1e-6), linear("float32")
    added = GatedResidual(draw(1, L, DIM, seed=2), gate, (L,))

    def compute() -> list[Tensor]:
        total, shaped = fused.add_norm_modulate(rows, added, shaping, layer)
        return [
            total,
            values(shaped),
            values(fused.add_norm_modulate(rows, None, shaping, layer)[1]),
            fused.add_residual(rows, added),
            values(fused.apply_gelu(rows, layer)),
            values(fused.quantize_input(rows, linear("fp8"))),
            fused.rms_norm(rows, weight, 1e-6),
            *fused.rms_norm_pair(thirds, weight, weight, 1e-6),
            apply_rope(x, factors),
        ]

    wanted = compute()
    for module in (fused, rope):
        monkeypatch.setattr(module, "has_kernels", lambda _x: True)
    asked = record_calls(kernels, monkeypatch)
    assert all(distance(a, b) < BOUND["fp8"] for a, b in zip(compute(), wanted, strict=True))
    assert asked == set(NAMES)


def record_calls(kernels: ModuleType, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the kernels that are called from now on."""
    asked: set[str] = set()

    def recorded(name: str) -> None:
        kernel = getattr(kernels, name)

        def call(*args: object, **named: object) -> object:
            asked.add(name)
            return kernel(*args, **named)

        monkeypatch.setattr(kernels, name, call)

    for name in NAMES:
        recorded(name)
    return asked


def test_heads_are_turned(kernels) -> None:
    """By the same angles."""
    x, factors = draw(1, L, HEADS, D), angles(L)
    assert distance(kernels.apply_rope(x, factors), apply_rope(x, factors)) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_window_is_filled(kernels, monkeypatch, dtype: torch.dtype) -> None:
    """Condition, block and memory where attention looks for them, and the block as it is remembered: as the formula has them."""
    shape = KVShape(1, HEADS, D, 20, 4, 1, L)
    place = BlockPosition(0, angles(L, 1), angles(shape.condition, 2))
    qkv = tuple(draw(1, L, HEADS, D, seed=seed, dtype=dtype) for seed in (1, 2, 3))
    still = [draw(1, shape.condition, HEADS, D, seed=seed, dtype=dtype) for seed in (4, 5)]
    past = draw(3, 2, 1, HEADS, L, D, seed=6, dtype=dtype).view(3, -1).view(torch.uint8)
    made = []
    for has in (False, True):
        monkeypatch.setattr(kv_window, "has_kernels", lambda _, has=has: has)
        window, room = kv_window.DenseKVWindow(shape, qkv[0]), torch.zeros_like(past[0])
        cached = kv_window.CachedBlocks(past, room, 3)
        attended = window.attend(cached, window.keep(*still), place, qkv)  # type: ignore[arg-type]
        made.append((attended, room.view(dtype), window._window))
    for formula, kernel in zip(*made, strict=True):
        assert distance(kernel, formula) < (1e-6 if dtype == torch.float32 else 2 * BOUND["bf16"])


def test_values_may_lie_behind_queries_and_keys(kernels, monkeypatch) -> None:
    """As joined projections leave them: the window is that of copies."""
    shape = KVShape(1, HEADS, D, 20, 4, 1, L)
    place = BlockPosition(0, angles(L, 1), angles(shape.condition, 2))
    monkeypatch.setattr(kv_window, "has_kernels", lambda _: True)
    q, k, v = (part.unflatten(-1, (HEADS, D)) for part in draw(1, L, 3 * DIM).chunk(3, -1))
    still = [draw(1, shape.condition, HEADS, D, seed=seed) for seed in (4, 5)]
    past = torch.zeros(1, 2, 1, HEADS, L, D, device=DEVICE).view(1, -1).view(torch.uint8)
    windows = []
    for values in (v, v.contiguous()):
        window = kv_window.DenseKVWindow(shape, q)
        cached = kv_window.CachedBlocks(past, torch.zeros_like(past[0]), 1)
        window.attend(cached, window.keep(*still), place, (q, k, values))  # type: ignore[arg-type]
        windows.append(window._window)
    assert torch.equal(*windows)


def angles(count: int, seed: int = 0) -> Tensor:
    angle = draw(count, D // 2, seed=seed)
    return torch.stack([angle.cos(), angle.sin()], -1)
