"""Modules that are built without memory behind their weights, which a file then brings."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_DRAWS = {"fill_", "normal_", "uniform_", "zero_"}


class _NoDrawing(TorchFunctionMode):
    """Nothing is drawn into weights that are not there. On the meta device that would be done in Python, and import torch's compiler and sympy for it."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        room = getattr(func, "__module__", "")
        if room == "torch.nn.init" or getattr(func, "__name__", "") in _DRAWS:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


@contextmanager
def empty_modules() -> Iterator[None]:
    """Modules that this thread builds meanwhile have weights of their shapes, and no numbers."""
    with torch.device("meta"), _NoDrawing():
        yield
