"""A small folder in the published layout, and ways to spoil its files; real files, really spoilt."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from model.s2v.attention import PROJECTIONS
from model.s2v.transformer import S2VTransformer
from model.tools.make_checkpoint import TINY, make_checkpoint
from model.weights import checkpoint
from model.weights.checkpoint import WeightsLocation

Tensors = dict[str, torch.Tensor]


def published(root: Path) -> WeightsLocation:
    """The tiny checkpoint, all parts."""
    make_checkpoint(root, TINY)
    return checkpoint.locate_weights(str(root))


def truncate(path: Path, by: int) -> None:
    """Cut so many bytes off the end."""
    os.truncate(path, path.stat().st_size - by)


def alter(path: Path, change: Callable[[Tensors], Tensors]) -> None:
    """Write a safetensors file anew with what `change` makes of its tensors."""
    save_file(change(load_file(path)), path)


def alter_json(path: Path, **said: object) -> None:
    """Say other things in a JSON file."""
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), **said}), encoding="utf-8"
    )


def published_state(model: S2VTransformer) -> Tensors:
    """Its tensors under the names of the published files, where no projections are joined."""
    state = {}
    for name, held in model.state_dict().items():
        parts = held.chunk(3) if ".qkv." in name else [held]
        for part, rows in zip(PROJECTIONS, parts, strict=False):
            state[name.replace(".qkv.", f".{part}.")] = rows
    return state
