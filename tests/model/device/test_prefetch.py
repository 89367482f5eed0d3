"""Tensors come onto a card, wherever they lie."""

from types import SimpleNamespace
from typing import Any

import torch

from model.device.prefetch import send_to_device

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
