"""Attention by either way that a CPU takes, and the transformer block around it."""

import pytest
import torch
from torch import Tensor

from model.ops import fused
from model.ops.fp8 import quantize_linears, replace_linears
from model.ops.operands import GatedResidual
from model.s2v import attention
from model.s2v.attention import (
    PROJECTIONS,
    SCORES_AT_ONCE,
    Attention,
    Block,
    BlockContext,
    attend_all,
)
from tests.model.small import draw

DIM, HEADS, DIM_16 = 24, 2, 32


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
@pytest.mark.parametrize("at_once", [0, SCORES_AT_ONCE])
def test_attention_is_its_formula(dtype, error: float, at_once: int, monkeypatch) -> None:
    """Softmax over all keys, few scores or many; in bfloat16 but for its rounding."""
    monkeypatch.setattr(attention, "SCORES_AT_ONCE", at_once)
    q, k, v = (draw(2, rows, 3, 8, seed=rows + i) for i, rows in enumerate((4, 7, 7)))
    scores = torch.einsum("blnd,bmnd->bnlm", q, k) / 8**0.5
    exact = torch.einsum("bnlm,bmnd->blnd", scores.softmax(-1), v)
    made = attend_all(*(x.to(dtype) for x in (q, k, v)))
    assert made.dtype == dtype
    assert (made.float() - exact).abs().max() < error


@torch.no_grad()
def test_cross_attention_is_self_attention_to_its_own_keys() -> None:
    """Keys and values that were computed before give what computing them on the way gives."""
    layer, x = Attention(DIM, HEADS, 1e-6), draw(1, 5, DIM)
    assert torch.equal(layer.cross(x, *layer.keys_values(x)), layer(x, attend_all))


@torch.no_grad()
@pytest.mark.parametrize("eight", [True, False], ids=["fp8", "float32"])
def test_joined_projections_are_the_three(eight: bool) -> None:
    """One product gives what three gave, and so do projections that are taken one by one into a layer without numbers."""
    x = draw(1, 5, DIM_16)
    attention, empty = Attention(DIM_16, HEADS, 1e-6), Attention(DIM_16, HEADS, 1e-6).to("meta")
    attention.norm_q.weight.data, attention.norm_k.weight.data = draw(2, DIM_16, seed=3).unbind()
    for part in (attention, empty):
        if eight:
            quantize_linears(part) if part is attention else replace_linears(part)
    apart = attention(x, attend_all)
    numbers = {name: getattr(attention, name).state_dict() for name in PROJECTIONS}
    attention.join_projections()
    empty.join_projections()
    for name in PROJECTIONS:
        empty.take_projection(name, numbers[name])
    assert torch.allclose(attention(x, attend_all), apart, atol=1e-6)
    taken, joined = empty.qkv.state_dict(), attention.qkv.state_dict()
    assert taken.keys() == joined.keys()
    assert all(torch.equal(taken[name].float(), joined[name].float()) for name in joined)
    assert not hasattr(attention, "q")


def through(block: Block, x: Tensor, rows: Tensor) -> Tensor:
    """Tokens of two segments (3 and 2) through a block that lets no token see another."""
    modulations = block.modulations(rows, torch.float32)
    made, added = block(x, None, BlockContext(modulations, (3, 2), lambda *qkv: qkv[2]))
    return fused.add_residual(made, added)


@torch.no_grad()
def test_what_the_layer_before_adds_is_added_first() -> None:
    """The same tokens as of a block that is given the sum."""
    block, x, more = Block(DIM, 32, HEADS, 1e-6, text=False), draw(1, 5, DIM), draw(1, 5, DIM)
    rows, gate = draw(1, 2, 6, DIM, seed=1), draw(1, 2, DIM, seed=2)
    given = BlockContext(block.modulations(rows, torch.float32), (3, 2), lambda *qkv: qkv[2])
    before = GatedResidual(more, gate, (3, 2))
    made, added = block(x, before, given)
    summed = through(block, fused.add_residual(x, before), rows)
    assert torch.equal(fused.add_residual(made, added), summed)


@torch.no_grad()
def test_a_segment_follows_its_own_time_alone() -> None:
    """Another time for the second segment changes its tokens and no other."""
    block, x = Block(DIM, 32, HEADS, 1e-6, text=False), draw(1, 5, DIM)
    rows = draw(1, 2, 6, DIM, seed=1)
    later = rows + torch.tensor([0.0, 1.0])[None, :, None, None]
    before, after = through(block, x, rows), through(block, x, later)
    assert torch.equal(before[:, :3], after[:, :3])
    assert (before[:, 3:] - after[:, 3:]).abs().amin(1).max() > 1e-2


@torch.no_grad()
def test_closed_gates_leave_the_tokens_as_they_are() -> None:
    """With both gates at zero a block is the identity."""
    block, x = Block(DIM, 32, HEADS, 1e-6, text=False), draw(1, 5, DIM)
    rows = draw(1, 2, 6, DIM, seed=1)
    rows[:, :, [2, 5]] = -block.modulation[:, None, [2, 5]].expand(1, 2, 2, DIM)
    assert torch.equal(through(block, x, rows), x)
