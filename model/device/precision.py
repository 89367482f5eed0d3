"""Whether a machine computes right in a precision: each kind of product that a model takes, beside the same in float32."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from model.device.processor import NARROW
from storage.errors import WrongPrecision

CHECKED = {
    f"aten::{name}"
    for name in (
        "conv1d", "conv2d", "conv3d", "convolution", "linear", "addmm", "mm", "bmm", "baddbmm", "matmul",
        "scaled_dot_product_attention", "softmax", "layer_norm", "rms_norm", "gelu", "silu",
    )
}  # fmt: skip
"""Where numbers are summed or bent; the rest moves them."""
MOST = 0.02
"""Of the result. Rounding explains .0025; a wrong sum was off by 1."""


def require_precision(made: Iterable[Tensor]) -> None:
    """Raise WrongPrecision at the first product, on the way of a computation that is made here, that is not near to what float32 gives from the same numbers."""
    with _Beside():
        for _ in made:
            pass


class _Beside(TorchDispatchMode):
    """Computes what is checked a second time in float32; of the same operation with the same shapes, once."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[Any] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: being hidden from torch's compiler, which nobody uses here, would import it (2 s)."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if isinstance(made, Tensor) and made.dtype in NARROW and func._schema.name in CHECKED:
            key = (func, str(tree_map(_signature_of, (args, kwargs))))
            if key not in self._seen:
                self._seen.add(key)
                wide, named = tree_map(_widen_dtype, (args, kwargs))
                _require_near(func, args, made, func(*wide, **named))
        return made


def _require_near(func: Any, args: Any, made: Tensor, exact: Tensor) -> None:
    error = float((made.float() - exact).norm() / exact.norm().clamp(min=1e-6))
    # NaN is not near to anything.
    if not error <= MOST:
        shapes = ", ".join(str(list(x.shape)) for x in args if isinstance(x, Tensor))
        kind = str(made.dtype).removeprefix("torch.")
        name = func._schema.name.removeprefix("aten::")
        raise WrongPrecision(f"{name} of {shapes} in {kind}", f"{error:.2g}", MOST)


def _signature_of(each: Any) -> Any:
    return (tuple(each.shape), each.dtype) if isinstance(each, Tensor) else each


def _widen_dtype(each: Any) -> Any:
    return each.float() if isinstance(each, Tensor) and each.dtype in NARROW else each
