"""Each kernel of the VAE's decoder does what its formula says; where there is no card they run in Triton's interpreter."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from model.ops.operands import PendingSum
from model.vae import wan_decoder

CARD = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CARD else "cpu")
# The interpreter cuts numbers off where a card rounds them.
BOUND = {torch.float32: 1e-6, torch.bfloat16: 2e-3 if CARD else 5e-3}
HEIGHT, WIDTH, CHANNELS = 4, 6, 12

pytestmark = [
    pytest.mark.filterwarnings("ignore:overflow"),
    pytest.mark.parametrize("dtype", BOUND),
    pytest.mark.parametrize("frames", [1, 2, 4]),
    pytest.mark.parametrize("phased", [True, False], ids=["phased", "whole"]),
    pytest.mark.parametrize("around", ["nothing", "whole", "phased"]),
]


@pytest.fixture(scope="module")
def kernels(triton_kernels: Callable[[str], ModuleType]) -> ModuleType:
    return triton_kernels("model.vae.wan_decoder_triton")


@pytest.fixture
def parts(frames: int, dtype: torch.dtype, around: str, phased: bool) -> PendingSum:
    shape = (1, frames, HEIGHT, WIDTH, CHANNELS)
    low = (1, frames, HEIGHT // 2 + 1, WIDTH // 2 + 1, 4 * CHANNELS)
    convolved = draw(*(low if phased else shape), seed=1, dtype=dtype)
    beside = draw(*(low if around == "phased" else shape), seed=2, dtype=dtype)
    made = PendingSum(convolved, draw(CHANNELS, seed=4), None if around == "nothing" else beside)
    assert made.shape == shape
    return made


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return numbers.to(DEVICE, dtype)


def draw_past(dtype: torch.dtype) -> Tensor:
    return draw(1, 2, HEIGHT, WIDTH, CHANNELS, dtype=dtype)


def both_ways(monkeypatch: pytest.MonkeyPatch, compute: Callable[[], Any]) -> Iterator[Any]:
    """By the formula, then by the kernel."""
    for has in (False, True):
        monkeypatch.setattr(wan_decoder, "has_kernels", lambda _, has=has: has)
        yield compute()


def require_equal(formula: Tensor, kernel: Tensor) -> None:
    assert kernel.shape == formula.shape
    assert kernel.dtype == formula.dtype
    distance = (kernel.double() - formula.double()).norm() / formula.double().norm()
    assert distance < BOUND[formula.dtype]


@pytest.mark.parametrize("folded", [True, False])
def test_pixels_are_normalised_and_joined(
    kernels, monkeypatch, parts: PendingSum, folded: bool, dtype: torch.dtype
) -> None:
    """The sum, and everything that the next convolution reads and remembers."""
    gamma, past = draw(CHANNELS, seed=3, dtype=dtype), draw_past(dtype)
    formula, kernel = both_ways(
        monkeypatch, lambda: wan_decoder.norm_activate(parts, gamma, past, folded=folded)
    )
    for wanted, made in zip(formula[1], kernel[1], strict=True):
        require_equal(wanted, made)
    if parts.around is None:
        assert formula[0] is kernel[0] is None
    else:
        require_equal(formula[0], kernel[0])


def test_pixels_are_added_and_joined(kernels, monkeypatch, parts: PendingSum, dtype) -> None:
    """Before a convolution in time there is no norm."""
    past = draw_past(dtype)
    for wanted, made in zip(
        *both_ways(monkeypatch, lambda: wan_decoder.join_sum(parts, past)), strict=True
    ):
        require_equal(wanted, made)


def test_parts_are_added(kernels, monkeypatch, parts: PendingSum) -> None:
    """One sum, rounded once."""
    require_equal(*both_ways(monkeypatch, lambda: wan_decoder.add_parts(parts)))
