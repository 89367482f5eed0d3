"""Where the kernels of a card stand in for the formulas."""

from types import SimpleNamespace

import pytest
import torch

from model import rows


def test_kernels_have_no_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row of tokens on a card goes through them, but not where somebody learns: they would cut the gradients off."""
    monkeypatch.setattr(rows, "can_build", lambda: True)
    tokens = SimpleNamespace(is_cuda=True, shape=(1, 4, 8))
    assert not rows.has_kernels(tokens)  # type: ignore[arg-type]
    with torch.inference_mode():
        assert rows.has_kernels(tokens)  # type: ignore[arg-type]
        tokens.shape = (2, 4, 8)
        assert not rows.has_kernels(tokens)  # type: ignore[arg-type]
