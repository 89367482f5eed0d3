"""Keys and values in eight bits and back, and attention through them."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from model.kv import quantized_kv
from model.kv.kv_shape import TILE, PackedSizes
from model.kv.packed import PackedKV, SeenKV, VisibleRows, interleave_rows, restore_rows
from model.kv.quantized_kv import attend_unpacked
from tests.model.small import draw

HEADS, D = 2, 16


def packed(k: Tensor, v: Tensor, factors: Tensor | None = None) -> PackedKV:
    """In room of their own."""
    room = quantized_kv.allocate_packed(PackedSizes(len(k), HEADS, k.shape[1], D), k.device)
    quantized_kv.pack_kv(k, v, factors, room)
    return room


def lay_out(drawn: Sequence[tuple[Tensor, Tensor]]) -> tuple[PackedKV, PackedKV]:
    """The condition's keys and values and then a block's in a window, with a tile behind them that would be noticed; those of other blocks in slots."""
    (first, *_), *blocks = drawn
    rows = blocks[0][0].shape[1] if blocks else 1
    own, still = PackedSizes(1, HEADS, rows, D), PackedSizes(1, HEADS, first.shape[1], D)
    there = still.tiles + bool(blocks) * own.tiles
    device = first.device
    window = quantized_kv.allocate_packed(PackedSizes(1, HEADS, (there + 1) * TILE, D), device)
    window.keys.fill_(99)
    window.scales.fill_(99)
    for (k, v), begin in zip(drawn[:2], (0, still.tiles), strict=False):
        quantized_kv.pack_kv(k, v, None, window, begin)
    slots = torch.zeros(max(len(blocks) - 1, 0), own.bytes, dtype=torch.uint8, device=device)
    past = quantized_kv.view_slots(slots, own)
    for slot, (k, v) in enumerate(drawn[2:]):
        quantized_kv.pack_kv(k, v, None, quantized_kv.take_slot(past, slot))
    return window, past


def angles(count: int) -> Tensor:
    angle = draw(count, D // 2)
    return torch.stack([angle.cos(), angle.sin()], -1)


def lost(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("rows", [1, TILE - 1, TILE, 2 * TILE + 5])
@pytest.mark.parametrize("spread", [1e-6, 1.0, 1e4])
def test_keys_lose_a_hundredth_values_three(rows: int, spread: float) -> None:
    """Of normal numbers, whatever their size and number; of keys a card's eight-bit floats would lose more than twice as much."""
    k, v = draw(1, rows, HEADS, D) * spread, draw(1, rows, HEADS, D, seed=1) * spread
    keys, values = quantized_kv.unpack_kv(packed(k, v), rows, torch.float32)
    assert lost(keys, k.transpose(1, 2)) < 0.013
    assert 0.015 < lost(values, v.transpose(1, 2)) < 0.035


def test_values_stand_as_tensor_cores_hand_out_scores() -> None:
    """Of each 16 rows the first four places have rows 0, 1, 8 and 9, the next 2, 3, 10 and 11; and back."""
    rows = torch.arange(TILE)
    places = interleave_rows(rows)
    assert places[:8].tolist() == [0, 1, 8, 9, 2, 3, 10, 11]
    assert places[16:20].tolist() == [16, 17, 24, 25]
    assert torch.equal(restore_rows(places), rows)


def test_heads_are_unpacked_some_at_a_time(monkeypatch) -> None:
    """To what all at once give."""
    drawn = [(draw(1, 150, HEADS, D, seed=i), draw(1, 150, HEADS, D, seed=9 + i)) for i in range(4)]
    asked = (
        draw(1, 6, HEADS, D, seed=99),
        angles(6),
        SeenKV(*lay_out(drawn), VisibleRows(150, 150, 3)),
    )
    wanted = attend_unpacked(*asked)
    monkeypatch.setattr(quantized_kv, "HEADS_UNPACKED", 1)
    assert lost(attend_unpacked(*asked), wanted) < 1e-6


def test_tiny_values_still_dilute() -> None:
    """Two blocks with one and the same keys, the values of one a millionth of the other's: what is attended to is half of what the other says."""
    k, v = draw(1, TILE, HEADS, D), draw(1, TILE, HEADS, D, seed=1)
    q, factors = draw(1, 6, HEADS, D, seed=99), angles(6)
    alone = quantized_kv.attend_packed(
        q, factors, SeenKV(*lay_out([(k, v)]), VisibleRows(TILE, TILE, 0))
    )
    for drawn in ([(k, v), (k, v * 1e-6)], [(k, v * 1e-6), (k, v)]):
        both = quantized_kv.attend_packed(
            q, factors, SeenKV(*lay_out(drawn), VisibleRows(TILE, TILE, 1))
        )
        assert lost(2 * both, alone) < 0.01


def test_divided_by_the_sum_of_what_was_used() -> None:
    """Of values that are all the same every attended value is the same, to float32: the rounding of shares cancels."""
    k = draw(1, 3 * TILE, HEADS, D) * 3
    laid = lay_out([(k, torch.full_like(k, 0.7))])
    q, factors = draw(1, 60, HEADS, D, seed=99), angles(60)
    made = quantized_kv.attend_packed(q, factors, SeenKV(*laid, VisibleRows(3 * TILE, TILE, 0)))
    assert lost(made, torch.full_like(made, 0.7)) < 1e-6


def test_many_keys_beside_a_sink_are_not_lost() -> None:
    """One key has 2^14.5 times what falls to each of 511 others, whose values alone are not zero: what they have together is there to a tenth."""
    rows, powers = 4 * TILE, 14.5
    q = torch.ones(1, 1, HEADS, D)
    k, v = torch.zeros(2, 1, rows, HEADS, D).unbind(0)
    k[:, 0] = powers / quantized_kv.LOG2E * D**-0.5
    v[:, 1:] = 1
    factors = torch.stack([torch.ones(rows, D // 2), torch.zeros(rows, D // 2)], -1)
    seen = VisibleRows(rows, TILE, 0)
    made = quantized_kv.attend_packed(q, factors[:1], SeenKV(*lay_out([(k, v)]), seen))
    rest = (rows - 1) * 2.0**-powers
    assert torch.allclose(made, torch.full_like(made, rest / (1 + rest)), rtol=0.1)


@pytest.mark.parametrize("steps", [(1.0, 1.5, 2.0), (1.0, 9.0, 1.0), (30.0, 1.0, 90.0)])
def test_scores_may_rise_from_tile_to_tile(steps: Sequence[float]) -> None:
    """By less than what is left alone, by more, and by so much that nothing before counts: as attention that rounds no shares; also where values grow with them."""
    drawn = [
        (step * draw(1, TILE, HEADS, D, seed=i), step * draw(1, TILE, HEADS, D, seed=9 + i))
        for i, step in enumerate(steps)
    ]
    asked = (
        draw(1, 60, HEADS, D, seed=99),
        angles(60),
        SeenKV(*lay_out(drawn), VisibleRows(TILE, TILE, 2)),
    )
    assert lost(quantized_kv.attend_packed(*asked), attend_unpacked(*asked)) < 0.05


def test_zeros_stay_zeros() -> None:
    """Rows without a film in them have no scale to divide by."""
    nothing = torch.zeros(1, 5, HEADS, D)
    keys, values = quantized_kv.unpack_kv(packed(nothing, nothing), 5, torch.float32)
    assert not keys.any()
    assert not values.any()


def test_turned_when_packed_or_later() -> None:
    """Both ways keys are those of the float32 formula but for their rounding, and values are left alone."""
    k, v, factors = draw(1, 40, HEADS, D), draw(1, 40, HEADS, D, seed=1), angles(40)
    exact = quantized_kv.apply_rope(k, factors).transpose(1, 2)
    at_once = quantized_kv.unpack_kv(packed(k, v, factors), 40, torch.float32)[0]
    window = quantized_kv.allocate_packed(PackedSizes(1, HEADS, 3 * TILE, D), k.device)
    quantized_kv.apply_rope_packed(packed(k, v), factors, window)
    later = quantized_kv.unpack_kv(window, 40, torch.float32)[0]
    assert lost(at_once, exact) < 0.013
    assert lost(later, exact) < 0.02
    assert not window.values.float().any()


@pytest.mark.parametrize(("first", "block", "blocks"), [(20, TILE, 2), (TILE, 50, 3), (130, 7, 1)])
def test_attention_sees_window_and_slots(first: int, block: int, blocks: int) -> None:
    """Pieces that end within a tile too: as attention over their numbers, one behind the other; queries and shares are rounded, but where torch attends itself."""
    sizes = [first] + [block] * blocks
    drawn = [
        (draw(1, rows, HEADS, D, seed=2 * i), draw(1, rows, HEADS, D, seed=2 * i + 1))
        for i, rows in enumerate(sizes)
    ]
    seen, laid = VisibleRows(first, block, blocks), lay_out(drawn)
    q, factors = draw(1, 6, HEADS, D, seed=99), angles(6)
    made, plain = (
        how(q, factors, SeenKV(*laid, seen))
        for how in (quantized_kv.attend_packed, attend_unpacked)
    )
    k, v = (torch.cat(parts, 1).transpose(1, 2) for parts in zip(*drawn, strict=True))
    turned = quantized_kv.apply_rope(q, factors).transpose(1, 2)
    exact = torch.nn.functional.scaled_dot_product_attention(turned, k, v).transpose(1, 2)
    assert lost(plain, exact) < lost(made, exact) < 0.05
    assert 0.001 < lost(made, plain) < 0.04
