"""What is fused is compiled for each set of shapes, however many there are, or runs as it is written."""

from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from model import fused
from model.fused import as_written


class Pair(NamedTuple):
    one: Tensor
    other: Tensor


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The functions that are compiled, on a CPU and without a C compiler."""
    made: list[str] = []
    compile_as_is = partial(torch.compile, backend="eager")

    def compile_noted(function, **how):
        made.append(function.__name__)
        return compile_as_is(function, **how)

    monkeypatch.setattr(fused, "DEVICES", frozenset({"cpu"}))
    monkeypatch.setattr(fused, "can_compile", lambda: True)
    monkeypatch.setattr(torch, "compile", compile_noted)
    return made


def test_any_number_of_shapes_is_compiled(compiled: list[str]) -> None:
    """Twelve sets of shapes are twelve compilations, where torch would give up at eight; the second time there is none."""

    @fused.fused
    def add(pair: Pair, *, twice: bool) -> Tensor:
        return pair.one + pair.other * (1 + twice)

    for size in (*range(2, 14), *range(2, 14)):
        x = torch.ones(size, 1)
        assert torch.equal(add(Pair(x, x.T), twice=True), torch.full((size, size), 3.0))
    assert compiled == ["add"] * 12


def test_what_comes_once_runs_as_it_is_written(compiled: list[str]) -> None:
    """Inside `as_written` nothing is compiled; behind it everything is again."""

    @fused.fused
    def double(x: Tensor) -> Tensor:
        return x * 2

    with as_written():
        assert double(torch.ones(2)).tolist() == [2, 2]
    assert compiled == []
    double(torch.ones(2))
    assert compiled == ["double"]
