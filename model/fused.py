"""What a card runs fused: everything between two matrix products in one pass over memory, compiled once for all layers."""

import shutil
from collections.abc import Callable
from functools import cache, wraps
from importlib.util import find_spec
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

Params = ParamSpec("Params")
Result = TypeVar("Result")

DEVICES = frozenset({"cuda"})
"""Where to: on a CPU, tensors are small and a compiler may be missing."""


def fused(function: Callable[Params, Result]) -> Callable[Params, Result]:
    """The function, compiled where its tensors are on a card. It may branch on nothing that a tensor holds."""
    whole: list[Callable[Params, Result]] = []

    @wraps(function)
    def call(*args: Params.args, **named: Params.kwargs) -> Result:
        if not _on_card(args) or not can_compile():
            return function(*args, **named)
        if not whole:
            # Shapes are few and fixed: of the film's size, and of its condition.
            whole.append(torch.compile(function, fullgraph=True, dynamic=False))
        return whole[0](*args, **named)

    return call


@cache
def can_compile() -> bool:
    """Whether this machine has what torch compiles with for a card: Triton, and a C compiler for its launchers."""
    return find_spec("triton") is not None and any(map(shutil.which, ("cc", "gcc", "clang")))


def _on_card(args: tuple[object, ...]) -> bool:
    return any(isinstance(each, Tensor) and each.device.type in DEVICES for each in args)
