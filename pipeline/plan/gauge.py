"""How fast the card of this machine is, measured in a second or two: products of matrices, and the way to the host."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.avatar import Speed

if TYPE_CHECKING:
    import torch

    from model.avatar import Machine

SIDE, H200 = 8192, 790e12
"""A product of two matrices of this side, and how many operations a second an H200 does of it."""
LINK = 1 << 28
ROUNDS = 8


@dataclass(frozen=True)
class Gauged:
    """A card, and its speed."""

    name: str
    speed: Speed


def card_of(machine: "Machine") -> Gauged | None:
    """The card that a film would be made on; None where there is none."""
    if machine.device == "cpu":
        return None
    import torch

    if not torch.cuda.is_available():
        return None
    device = torch.device("cuda")
    return Gauged(torch.cuda.get_device_name(device), measure(device))


def measure(device: "torch.device", side: int = SIDE, size: int = LINK) -> Speed:
    """The speed of a device."""
    import torch

    x = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    there = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
    here = torch.empty(size, dtype=torch.uint8, device=device)
    product = clock(lambda: x @ x, device)
    return Speed(2 * side**3 / product / H200, size / clock(lambda: here.copy_(there), device))


def clock(work: Callable[[], object], device: "torch.device") -> float:
    """Seconds of it, the best of several."""
    import torch

    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - begun)
    return best
