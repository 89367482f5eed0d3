"""Tensors come onto a card, wherever they lie."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from model.device.prefetch import read_to_host, send_to_device

CARD = torch.device("cuda")


class Numbers:
    """A tensor that tells how it was sent; where it lies on a card it cannot be pinned, as torch has it."""

    def __init__(self, *, is_cuda: bool, told: list[str]) -> None:
        self.is_cuda, self.told = is_cuda, told

    def pin_memory(self) -> "Numbers":
        if self.is_cuda:
            raise RuntimeError(
                "cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned"
            )
        self.told.append("pinned")
        return self

    def to(self, device: torch.device, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(device=device)


def sent(*, is_cuda: bool, device: torch.device) -> list[str]:
    told: list[str] = []
    assert send_to_device(Numbers(is_cuda=is_cuda, told=told), device).device == device  # type: ignore[arg-type]
    return told


def test_what_lies_on_the_card_already_is_not_pinned() -> None:
    """In training, features come from an encoder on the card; that of the host is pinned, so that the host goes on."""
    assert sent(is_cuda=True, device=CARD) == []
    assert sent(is_cuda=False, device=CARD) == ["pinned"]
    assert sent(is_cuda=False, device=torch.device("cpu")) == []


def test_numbers_come_to_the_host() -> None:
    """Those of a CPU are there already."""
    numbers = torch.arange(6.0)
    assert read_to_host(numbers) is numbers


@pytest.mark.skipif(not torch.cuda.is_available(), reason="of a card")
def test_numbers_of_a_card_come_to_pinned_memory() -> None:
    """They are there when it returns, also such as lie in no row, and behind what was asked for before."""
    wide = torch.randn(2048, 2048, device="cuda")
    made = (wide @ wide).T[:, ::3]
    there = read_to_host(made)
    assert there.is_pinned()
    assert torch.equal(there, made.cpu())
