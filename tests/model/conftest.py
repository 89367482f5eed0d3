"""Triton's kernels, on a card or in its interpreter."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

KERNELS = (
    "model.ops.fused_triton",
    "model.ops.hopper_buffers",
    "model.kv.quantized_kv_triton",
    "model.kv.hopper_instructions",
    "model.kv.quantized_kv_hopper",
    "model.vae.wan_decoder_triton",
    "model.vae.conv3d_hopper",
)


@pytest.fixture(scope="module")
def triton_kernels() -> Iterator[Callable[[str], ModuleType]]:
    """Imports one of the files of kernels; where there is no card, to be run by the interpreter."""
    pytest.importorskip("triton")
    patched = pytest.MonkeyPatch()
    if not torch.cuda.is_available():
        # Triton reads this when it is imported, its own functions too; diffusers may have imported it before.
        patched.setenv("TRITON_INTERPRET", "1")
        again = [name for name in sys.modules if name.split(".")[0] == "triton"]
        for name in (name for name in again if not name.startswith("triton._C")):
            patched.delitem(sys.modules, name)
        for name in KERNELS:
            patched.delitem(sys.modules, name, raising=False)
        _mend_interpreter(patched)
    yield import_module
    patched.undo()


def _mend_interpreter(patched: pytest.MonkeyPatch) -> None:
    """It makes a loop's bound of an array of one number, which NumPy allows no more from 2.4 on; and it rounds eight-bit floats down."""
    from triton.runtime import interpreter

    before = interpreter._patch_lang_tensor

    def mended(tensor: Any, scope: Any) -> None:
        before(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))

    patched.setattr(interpreter, "_patch_lang_tensor", mended)
    converted, (wide, eight) = interpreter._convert_float, _kinds()

    def rounded(values: Any, kind: Any, to: Any, mode: Any) -> Any:
        if (kind, to) != (wide, eight):
            return converted(values, kind, to, mode)
        # It cuts eight-bit floats off where a card rounds them.
        numbers = torch.from_numpy(np.ascontiguousarray(values))
        return numbers.to(torch.float8_e4m3fn).view(torch.uint8).numpy()

    patched.setattr(interpreter, "_convert_float", rounded)


def _kinds() -> tuple[Any, Any]:
    import triton.language as tl

    return tl.float32, tl.float8e4nv
