"""A library whose kernel for one operation is wrong in bfloat16, as AMX's convolutions were."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class WrongLibrary(TorchDispatchMode):
    """While it is entered, what the operation gives in bfloat16 is so many `times` what is right; 0 gives zeros."""

    def __init__(self, name: str, times: float) -> None:
        super().__init__()
        self.name, self.times = name, times

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        wrong = func._schema.name == f"aten::{self.name}" and made.dtype == torch.bfloat16
        return made * self.times if wrong else made
