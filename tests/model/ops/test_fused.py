"""Where the kernels of a card stand in for the formulas."""

from types import SimpleNamespace

import pytest
import torch

from model.ops import fused


def test_kernels_have_no_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row of tokens on a card goes through them, but not where somebody learns: they would cut the gradients off."""
    monkeypatch.setattr(fused, "can_build", lambda: True)
    tokens = SimpleNamespace(is_cuda=True, ndim=3, shape=(1, 4, 8))
    assert not fused.has_kernels(tokens)  # type: ignore[arg-type]
    with torch.inference_mode():
        assert fused.has_kernels(tokens)  # type: ignore[arg-type]
        tokens.shape = (2, 4, 8)
        assert not fused.has_kernels(tokens)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ((1, 9, 2, 128), True),
        ((1, 9, 2, 12), False),
        ((2, 9, 2, 128), False),
        ((1, 9, 12), True),
        ((1, 3, 5, 7, 12), True),
    ],
)
def test_heads_of_kernels_are_powers_of_two(shape: tuple[int, ...], fits: bool) -> None:
    """Heads of another width take the formulas: a kernel of them is no kernel. Tokens and frames may have any."""
    assert fused.fits_kernels(torch.empty(shape)) is fits
