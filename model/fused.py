"""What a card runs fused: everything between two matrix products in one pass over memory, compiled once for all layers."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from importlib.util import find_spec
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

Params = ParamSpec("Params")
Result = TypeVar("Result")

DEVICES = frozenset({"cuda"})
"""Where to: on a CPU, tensors are small and a compiler may be missing."""
_AS_WRITTEN: ContextVar[bool] = ContextVar("as_written", default=False)


def fused(function: Callable[Params, Result]) -> Callable[Params, Result]:
    """The function, compiled where its tensors are on a card, for each set of shapes once. It may branch on nothing that a tensor holds."""
    compiled: dict[tuple[torch.Size, ...], Callable[Params, Result]] = {}

    @wraps(function)
    def call(*args: Params.args, **named: Params.kwargs) -> Result:
        tensors = list(_tensors(args))
        if _AS_WRITTEN.get() or not _on_card(tensors) or not can_compile():
            return function(*args, **named)
        shapes = tuple(each.shape for each in tensors)
        if shapes not in compiled:
            compiled[shapes] = torch.compile(_twin(function), fullgraph=True, dynamic=False)
        return compiled[shapes](*args, **named)

    return call


@contextmanager
def as_written() -> Iterator[None]:
    """Nothing inside is compiled: for shapes that come once and are not worth a compiler's seconds."""
    token = _AS_WRITTEN.set(True)
    try:
        yield
    finally:
        _AS_WRITTEN.reset(token)


@cache
def can_compile() -> bool:
    """Whether this machine has what torch compiles with for a card: Triton, and a C compiler for its launchers."""
    return find_spec("triton") is not None and any(map(shutil.which, ("cc", "gcc", "clang")))


def _twin(function: Callable[Params, Result]) -> Callable[Params, Result]:
    """The same function with code of its own: torch counts compilations by code, and refuses the ninth."""
    assert isinstance(function, FunctionType)
    twin: Any = FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    twin.__kwdefaults__ = function.__kwdefaults__
    return twin


def _tensors(args: tuple[object, ...] | list[object]) -> Iterator[Tensor]:
    for each in args:
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, tuple | list):
            yield from _tensors(each)


def _on_card(tensors: list[Tensor]) -> bool:
    return any(each.device.type in DEVICES for each in tensors)
