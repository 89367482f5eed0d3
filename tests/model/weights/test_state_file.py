"""A file of weights that is a model by itself: mapped, or read piece by piece, it holds the same numbers."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from model.weights.file_headers import read_contents
from model.weights.state_file import CPU, read_onto, read_tensors
from storage.errors import WeightsDamaged, WeightsMissing
from tests.model.published import truncate

TENSORS = {
    "a": torch.randn(3, 5).bfloat16(),
    "b": torch.randn(700),
    "c": torch.randn(()),
    "d": torch.randn(4, 6)[1:3],
}


def written(path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file({name: held.clone() for name, held in TENSORS.items()}, path)
    else:
        torch.save(TENSORS, path)
    return path


@pytest.mark.parametrize("name", ["x.safetensors", "x.pth"])
def test_both_ways_are_the_same_numbers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces of a hundred bytes too."""
    monkeypatch.setattr("model.weights.tensor_reader.CHUNK_BYTES", 100)
    path = written(tmp_path / name)
    mapped, read = read_tensors(path), read_onto(CPU, None, read_contents(path))
    for each, held in TENSORS.items():
        assert torch.equal(mapped[each], held), each
        assert torch.equal(read[each], held), each
        assert read[each].dtype == held.dtype


def test_converted_as_they_come(tmp_path: Path) -> None:
    """As torch would convert them."""
    path = written(tmp_path / "x.pth")
    for name, held in read_onto(CPU, torch.bfloat16, read_contents(path)).items():
        assert torch.equal(held, TENSORS[name].bfloat16()), name


def test_what_is_not_there_or_torn(tmp_path: Path) -> None:
    """Is told before anything is read."""
    with pytest.raises(WeightsMissing):
        read_tensors(tmp_path / "x.pth")
    truncate(written(tmp_path / "x.pth"), 1)
    with pytest.raises(WeightsDamaged):
        read_tensors(tmp_path / "x.pth")
