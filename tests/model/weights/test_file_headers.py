"""Tables of contents: what the libraries say, without them; what is not whole is found."""

import io
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from model.weights.file_headers import read_contents
from storage.errors import WeightsDamaged
from tests.model.published import truncate

TENSORS = {
    "a": torch.zeros(3, 5, dtype=torch.bfloat16),
    "b": torch.zeros(7),
    "c": torch.zeros((), dtype=torch.int64),
}
KINDS = {"a": "BF16", "b": "F32", "c": "I64"}


@pytest.mark.parametrize("name", ["x.safetensors", "x.pth"])
def test_names_kinds_and_shapes_are_read(name: str, tmp_path: Path):
    """Both kinds of file tell their tensors without torch."""
    path = tmp_path / name
    if path.suffix == ".pth":
        torch.save(TENSORS, path)
    else:
        save_file(TENSORS, path)
    found = read_contents(path)
    assert {name: stored.kind for name, stored in found.items()} == KINDS
    assert all(stored.shape == tuple(TENSORS[name].shape) for name, stored in found.items())
    assert all(stored.size == TENSORS[name].nbytes for name, stored in found.items())


def test_offsets_are_where_the_bytes_are(tmp_path: Path):
    """A tensor's bytes stand at its offset."""
    numbers = torch.arange(12, dtype=torch.int32).view(3, 4)
    save_file({"zeros": torch.zeros(9), "numbers": numbers}, tmp_path / "x.safetensors")
    stored = read_contents(tmp_path / "x.safetensors")["numbers"]
    data = stored.path.read_bytes()[stored.offset :][: stored.size]
    assert torch.equal(torch.frombuffer(bytearray(data), dtype=torch.int32).view(3, 4), numbers)


def test_an_archive_tells_what_lies_in_rows(tmp_path: Path):
    """A part of a larger tensor begins where it begins; what is turned, or packed, does not lie as it is."""
    numbers = torch.arange(24, dtype=torch.int32).view(6, 4)
    torch.save({"part": numbers[2:4], "turned": numbers.T, "one": numbers[1]}, tmp_path / "x.pth")
    found = read_contents(tmp_path / "x.pth")
    assert {name: each.dense for name, each in found.items()} == {
        "part": True, "turned": False, "one": True
    }  # fmt: skip
    data = (tmp_path / "x.pth").read_bytes()[found["part"].offset :][: found["part"].size]
    assert torch.equal(
        torch.frombuffer(bytearray(data), dtype=torch.int32).view(2, 4), numbers[2:4]
    )


@pytest.mark.parametrize("by", [1, 100])
@pytest.mark.parametrize("name", ["x.safetensors", "x.pth"])
def test_a_truncated_file_is_damaged(name: str, by: int, tmp_path: Path):
    """One missing byte is enough."""
    path = tmp_path / name
    (torch.save if path.suffix == ".pth" else save_file)(TENSORS, path)
    truncate(path, by)
    with pytest.raises(WeightsDamaged, match=r"missing|cannot hold"):
        read_contents(path)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cannot hold its own header"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer"),
        ((16).to_bytes(8, "little") + b"{ no json at all", "makes no sense"),
        ((2).to_bytes(8, "little") + b"[]", "makes no sense"),
        ((2).to_bytes(8, "little") + b"{}" + bytes(9), "its header tells of 10"),
        (b"PK\x03\x04 and nothing more", "its end is missing"),
    ],
)
def test_what_is_no_such_file_is_damaged(data: bytes, why: str, tmp_path: Path):
    """Empty files, pointers, noise and trailing bytes are told apart."""
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(WeightsDamaged, match=why):
        read_contents(path)


def test_nothing_in_an_archive_is_run(tmp_path: Path):
    """A pickle that would call something is refused before it does."""

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"x": Evil()}, tmp_path / "x.pth")
    with pytest.raises(WeightsDamaged, match="more than tensors"):
        read_contents(tmp_path / "x.pth")
    assert not (tmp_path / "ran").exists()


def test_a_short_record_in_an_archive_is_damaged(tmp_path: Path):
    """An archive whose table tells of more numbers than a record holds is not whole."""
    saved = io.BytesIO()
    torch.save({"x": torch.zeros(99)}, saved)
    with (
        zipfile.ZipFile(saved) as old,
        zipfile.ZipFile(tmp_path / "x.pth", "w") as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data[:-4] if "/data/" in name else data)
    with pytest.raises(WeightsDamaged, match="makes no sense"):
        read_contents(tmp_path / "x.pth")
