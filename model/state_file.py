"""One file of published weights that is a model by itself: mapped into memory, and put into a module that fits it exactly."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from model.checkpoint import missing
from model.headers import read_contents
from storage.errors import OtherWeights, WeightsDamaged


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file or a torch archive (.pth, .bin) by name, mapped and not copied; nothing in the file is run.

    Raises WeightsMissing, WeightsDamaged.
    """
    if not path.is_file():
        raise missing(path.parent, path.name)
    read_contents(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state: dict[str, Tensor] = torch.load(
            path, map_location="cpu", weights_only=True, mmap=True
        )
    except (SafetensorError, pickle.UnpicklingError, RuntimeError) as torn:
        raise WeightsDamaged(path, first_line(torn)) from torn
    return state


def fit(module: nn.Module, state: Mapping[str, Tensor], source: object) -> None:
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
