"""Packing and attention in eight bits as a card computes them, beside their formulas; where there is no card the kernels that pack run in Triton's interpreter."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor

from model.kv import quantized_kv
from model.kv.kv_shape import TILE, PackedSizes
from model.kv.packed import PackedKV, SeenKV, VisibleRows
from model.ops.fused import is_hopper

HEADS, D = 2, 128
CARD = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CARD else "cpu")
NEAR = 0.045 if CARD else 1e-4
"""A card adds eight-bit products in its own order and width; how near that is to the formula was last looked at when this rounded less."""


@pytest.fixture(scope="module")
def kernels(triton_kernels) -> ModuleType:
    return triton_kernels("model.kv.quantized_kv_triton")


@pytest.fixture
def attend(triton_kernels) -> Callable[..., Tensor]:
    """Attention by the kernel for Hopper, which no interpreter runs."""
    if not is_hopper(DEVICE):
        pytest.skip("no Hopper card")
    attended: Callable[..., Tensor] = triton_kernels("model.kv.quantized_kv_hopper").attend_packed
    return attended


@pytest.fixture(autouse=True)
def formulas_alone(monkeypatch) -> None:
    monkeypatch.setattr(quantized_kv, "has_kernels", lambda _: False)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def angles(count: int) -> Tensor:
    angle = draw(count, D // 2, seed=count)
    return torch.stack([angle.cos(), angle.sin()], -1)


def distance(a: Tensor, b: Tensor) -> float:
    return float((a.float() - b.float()).norm() / b.float().norm())


def lay_out(drawn: list[tuple[Tensor, Tensor]]) -> tuple[PackedKV, PackedKV]:
    """See test_quantized_kv.lay_out: a window, and slots."""
    (first, _), *blocks = drawn
    rows = blocks[0][0].shape[1] if blocks else 1
    own, still = PackedSizes(1, HEADS, rows, D), PackedSizes(1, HEADS, first.shape[1], D)
    window = room((still.tiles + own.tiles + 1) * TILE)
    window.keys.fill_(99)
    window.scales.fill_(99)
    for (k, v), begin in zip(drawn[:2], (0, still.tiles), strict=False):
        quantized_kv.pack_kv(k, v, None, window, begin)
    # Slots between others, which would be noticed.
    every = torch.full((len(blocks) + 2, own.bytes), 99, dtype=torch.uint8, device=DEVICE)
    past = quantized_kv.view_slots(every[1:-2] if blocks else every[:0], own)
    for slot, (k, v) in enumerate(drawn[2:]):
        quantized_kv.pack_kv(k, v, None, quantized_kv.take_slot(past, slot))
    return window, past


def room(rows: int) -> PackedKV:
    return quantized_kv.allocate_packed(PackedSizes(1, HEADS, rows, D), DEVICE)


@pytest.mark.parametrize("rows", [5, TILE, TILE + 70])
@pytest.mark.parametrize("turns", [True, False])
def test_keys_and_values_are_packed(kernels, rows: int, turns: bool) -> None:
    """The same scales, and the same codes but for those that lie between two; behind the last row its key stands again, with values of zero."""
    k, v = draw(1, rows, HEADS, D), draw(1, rows, HEADS, D, seed=1)
    factors = angles(rows) if turns else None
    made, wanted = room(rows), room(rows)
    made.keys.fill_(7)
    kernels.pack_kv(k, v, factors, made)
    quantized_kv.pack_kv(k, v, factors, wanted)
    assert torch.allclose(made.scales, wanted.scales, rtol=1e-5)
    assert (made.keys.int() - wanted.keys.int()).abs().max() <= 1
    assert (made.keys[:, :, rows:] == made.keys[:, :, rows - 1 : rows]).all()
    assert distance(made.values, wanted.values) < 1e-3
    assert not quantized_kv.unpack_kv(made, len(made.keys[0, 0]), torch.float32)[1][
        :, :, rows:
    ].any()


def test_packed_keys_are_turned(kernels) -> None:
    """At the beginning of the window; what lies behind them is left alone."""
    packed, window, wanted = room(70), room(3 * TILE), room(3 * TILE)
    quantized_kv.pack_kv(draw(1, 70, HEADS, D), draw(1, 70, HEADS, D), None, packed)
    kernels.apply_rope(packed, angles(70), window)
    quantized_kv.apply_rope_packed(packed, angles(70), wanted)
    assert torch.allclose(window.scales, wanted.scales, rtol=1e-5)
    assert (window.keys.int() - wanted.keys.int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("first", "block", "blocks"),
    [(20, TILE, 2), (TILE, 50, 3), (130, 7, 1), (TILE, TILE, 1), (40, 40, 0), (2640, 3168, 1)],
)
@pytest.mark.parametrize("sharp", [1.0, 4.0])
def test_attention_sees_all_that_lies_in_a_window(
    attend, first: int, block: int, blocks: int, sharp: float
) -> None:
    """Whole tiles and cut ones, values of different sizes, few keys that count or many; as the formula."""
    drawn = [
        (sharp * draw(1, rows, HEADS, D, seed=i), draw(1, rows, HEADS, D, seed=9 + i) * 3.0**-i)
        for i, rows in enumerate([first] + [block] * blocks)
    ]
    seen, laid = VisibleRows(first, block, blocks), lay_out(drawn)
    q, factors = draw(1, 70, HEADS, D, seed=99), angles(70)
    made, wanted = (
        how(q, factors, SeenKV(*laid, seen)) for how in (attend, quantized_kv.attend_packed)
    )
    assert made.shape == wanted.shape
    assert distance(made, wanted) < NEAR


@pytest.mark.parametrize("steps", [(1.0, 1.5, 2.0), (1.0, 9.0, 1.0), (30.0, 1.0, 90.0)])
def test_scores_may_rise_from_tile_to_tile(attend, steps: tuple[float, ...]) -> None:
    """By less than what is left alone, by more, and by so much that nothing before counts, values with them; as the formula."""
    drawn = [
        (step * draw(1, TILE, HEADS, D, seed=i), step * draw(1, TILE, HEADS, D, seed=9 + i))
        for i, step in enumerate(steps)
    ]
    seen, laid = VisibleRows(TILE, TILE, 2), lay_out(drawn)
    q, factors = draw(1, 70, HEADS, D, seed=99), angles(70)
    made, wanted = (
        how(q, factors, SeenKV(*laid, seen)) for how in (attend, quantized_kv.attend_packed)
    )
    # Where one key takes all, a query rounded otherwise takes another: .048 at 90.
    assert distance(made, wanted) < 2 * NEAR


def test_tiny_values_dilute(attend) -> None:
    """Beside a condition, a block of the same keys and a millionth of the values: half of what the first alone says."""
    k, v = draw(1, TILE, HEADS, D), draw(1, TILE, HEADS, D, seed=1)
    q, factors = draw(1, 70, HEADS, D, seed=99), angles(70)
    alone = attend(q, factors, SeenKV(*lay_out([(k, v)]), VisibleRows(TILE, TILE, 0)))
    both = attend(q, factors, SeenKV(*lay_out([(k, v), (k, v * 1e-6)]), VisibleRows(TILE, TILE, 1)))
    assert distance(2 * both, alone) < 0.01


def test_heads_may_lie_apart(kernels, attend) -> None:
    """Queries, keys and values that are views of something wider give what copies of them give."""
    wide = draw(1, 40, 3 * HEADS, D)
    q, k, v = wide.chunk(3, 2)
    made, wanted = room(40), room(40)
    kernels.pack_kv(k, v, None, made)
    kernels.pack_kv(k.contiguous(), v.contiguous(), None, wanted)
    assert torch.equal(made.keys, wanted.keys)
    assert torch.equal(made.values.view(torch.uint8), wanted.values.view(torch.uint8))
    kernels.pack_kv(k.contiguous(), v, None, made)
    assert torch.equal(made.values.view(torch.uint8), wanted.values.view(torch.uint8))
    laid, seen = lay_out([(k, v)]), VisibleRows(40, 40, 0)
    attended = (attend(rows, angles(40), SeenKV(*laid, seen)) for rows in (q, q.contiguous()))
    assert torch.equal(*attended)


def test_the_formulas_hand_over_to_the_kernels(kernels, monkeypatch) -> None:
    """Where there are kernels packing and turning are theirs, by the names that they have."""
    k, v = draw(2, 1, 40, HEADS, D).unbind(0)

    def compute() -> Tensor:
        packed, window = room(40), room(2 * TILE)
        quantized_kv.pack_kv(k, v, None, packed)
        quantized_kv.apply_rope_packed(packed, angles(40), window)
        return quantized_kv.unpack_kv(window, 40, torch.float32)[0]

    wanted, asked = compute(), set[str]()
    for name in ("pack_kv", "apply_rope"):
        kernel = getattr(kernels, name)
        noted = lambda *args, name=name, kernel=kernel: (asked.add(name), kernel(*args))[1]  # noqa: E731
        monkeypatch.setattr(kernels, name, noted)
    monkeypatch.setattr(quantized_kv, "has_kernels", lambda _x: True)
    assert distance(compute(), wanted) < 0.02
    assert asked == {"pack_kv", "apply_rope"}
