"""One file of published weights that is a model by itself: mapped into memory or read onto a card, and put into a module that fits it exactly."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from model.weights.checkpoint import missing_file
from model.weights.file_headers import Contents, read_contents
from model.weights.tensor_reader import DTYPES, TensorReader
from storage.errors import OtherWeights, WeightsDamaged

CPU = torch.device("cpu")


def read_tensors(
    path: Path, device: torch.device = CPU, dtype: torch.dtype | None = None
) -> dict[str, Tensor]:
    """The tensors in a safetensors file or a torch archive (.pth, .bin) by name; nothing in the file is run.

    On the host they are mapped and not copied. To a card they are read, each as `dtype`, and the host holds a piece of them at a time.
    Raises WeightsMissing, WeightsDamaged.
    """
    if not path.is_file():
        raise missing_file(path.parent, path.name)
    contents = read_contents(path)
    if device != CPU and all(each.dense and each.kind in DTYPES for each in contents.values()):
        return read_onto(device, dtype, contents)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state: dict[str, Tensor] = torch.load(
            path, map_location="cpu", weights_only=True, mmap=True
        )
    except (SafetensorError, pickle.UnpicklingError, RuntimeError) as torn:
        raise WeightsDamaged(path, first_line(torn)) from torn
    return state


def read_onto(
    device: torch.device, dtype: torch.dtype | None, contents: Contents
) -> dict[str, Tensor]:
    """Tensors that lie in a file as they are, on a device, each converted before the next comes (None: as they are)."""
    ordered = sorted(contents, key=lambda name: contents[name].offset)
    with TensorReader(device) as reader:
        tensors = reader.stream(contents[name] for name in ordered)
        return {
            name: tensor.to(dtype or tensor.dtype)
            for name, tensor in zip(ordered, tensors, strict=True)
        }


def load_exactly(module: nn.Module, state: Mapping[str, Tensor], source: object) -> None:
    """Give a module (made on the meta device) these very tensors, neither copied nor converted, for inference.

    Raises OtherWeights: `source`, and the first name that is missing, unknown or of another shape.
    """
    wanted = {name: tuple(held.shape) for name, held in module.state_dict().items()}
    given = {name: tuple(held.shape) for name, held in state.items()}
    for name in sorted(wanted.keys() ^ given.keys()):
        raise OtherWeights(source, f"{name} is {'missing' if name in wanted else 'unknown'}")
    for name, shape in wanted.items():
        if given[name] != shape:
            raise OtherWeights(source, f"{name} is {list(given[name])} and not {list(shape)}")
    module.load_state_dict(state, assign=True)
    module.eval().requires_grad_(requires_grad=False)


def first_line(fault: BaseException) -> str:
    """What went wrong, without the pages that torch adds."""
    return (str(fault).splitlines() or [type(fault).__name__])[0]
