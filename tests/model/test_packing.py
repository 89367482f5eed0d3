"""Numbers in eight bits and back."""

import pytest
import torch

from model.packing import pack, unpack
from tests.model.small import draw


def test_as_they_are_nothing_is_lost() -> None:
    """Without packing the numbers are the very same."""
    x = draw(2, 3, 8).bfloat16()
    assert torch.equal(unpack(pack(x, eight=False), x.dtype), x)


@pytest.mark.parametrize("spread", [1e-6, 1.0, 1e4])
def test_eight_bits_err_by_less_than_a_hundredth(spread: float) -> None:
    """Of normal numbers, whatever their size; the card's eight-bit floats err by more than twice as much."""
    x = draw(64, 128) * spread
    wrong = (unpack(pack(x, eight=True), torch.float32) - x).norm() / x.norm()
    floats = x / x.abs().amax(-1, keepdim=True) * 448
    coarse = (floats.to(torch.float8_e4m3fn).float() - floats).norm() / floats.norm()
    assert wrong < 0.01
    assert coarse > 2 * wrong


def test_zeros_stay_zeros() -> None:
    """A row without a film in it has no scale to divide by."""
    assert not unpack(pack(torch.zeros(2, 8), eight=True), torch.float32).any()
