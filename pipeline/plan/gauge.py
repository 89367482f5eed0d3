"""How fast the card of this machine is, measured in a second or two: products of matrices, and the way to the host."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from model.avatar import Speed

if TYPE_CHECKING:
    import torch

    from model.avatar import Machine

SIDE, H200 = 8192, 790e12
"""A product of two matrices of this side, and how many operations a second an H200 does of it."""
LINK = 1 << 28
ROUNDS = 8


def card_here(machine: "Machine") -> str | None:
    """The name of the card that a film would be made on; None where there is none."""
    if machine.device == "cpu":
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def measure(kind: str = "cuda", side: int = SIDE, size: int = LINK) -> Speed:
    """The speed of a device, whose memory is given back."""
    import torch

    from model.avatar import release_memory

    speed = _measure(torch.device(kind), side, size)
    release_memory()
    return speed


def _measure(device: "torch.device", side: int, size: int) -> Speed:
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
