"""What a file of weights holds, by its own table of contents: names, kinds, shapes, and where the bytes are. No torch; no tensor is read."""

import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from storage.errors import WeightsDamaged

ITEM_BYTES = {"BF16": 2, "F16": 2, "F32": 4, "F64": 8, "F8_E4M3": 1, "F8_E5M2": 1}
ITEM_BYTES |= {"I8": 1, "U8": 1, "BOOL": 1, "I16": 2, "I32": 4, "I64": 8}
"""Bytes of one value of each kind, by safetensors' names."""
STORAGES = {"FloatStorage": "F32", "BFloat16Storage": "BF16", "HalfStorage": "F16"}
STORAGES |= {"DoubleStorage": "F64", "LongStorage": "I64", "IntStorage": "I32"}
STORAGES |= {"ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8", "BoolStorage": "BOOL"}
"""torch's names of the same."""
HEADER, NAME = 30, 26
"""Bytes of an archive's header of a record, and where in it the lengths of what follows are told."""
_SENSELESS = (KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError, struct.error)
POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file."""

    path: Path
    kind: str
    """BF16, F32, …"""
    shape: tuple[int, ...]
    offset: int
    """Of its first byte in the file."""
    size: int
    """Its bytes."""
    dense: bool = True
    """Whether its numbers lie there as they are, one after the other."""


Contents = dict[str, StoredTensor]


def read_contents(path: Path) -> Contents:
    """The tensors of a safetensors file or of a torch archive (.pth, .bin); raises WeightsDamaged where they are not all there."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(len(POINTER))
        if start == POINTER:
            raise WeightsDamaged(path, "it is a Git LFS pointer in place of the file")
        return _read_archive(path) if start[:4] == b"PK\x03\x04" else _read_safetensors(path, size)
    except OSError as error:
        raise WeightsDamaged(path, f"it cannot be read ({error.strerror})") from error


def read_header(path: Path) -> bytes:
    """The header of a safetensors file as it is; raises WeightsDamaged."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or not 2 <= length <= size - 8:
            raise WeightsDamaged(path, f"it has {size} bytes, which cannot hold its own header")
        return file.read(length)


def _read_safetensors(path: Path, size: int) -> Contents:
    header = read_header(path)
    try:
        told: dict[str, Any] = json.loads(header)
        told.pop("__metadata__", None)
        contents = {name: _read_entry(path, 8 + len(header), each) for name, each in told.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsDamaged(path, "its header makes no sense") from error
    end = max((each.offset + each.size for each in contents.values()), default=8 + len(header))
    if end > size:
        raise WeightsDamaged(path, f"{end - size} of its {end} bytes are missing at the end")
    if end < size:
        raise WeightsDamaged(path, f"it has {size} bytes where its header tells of {end}")
    return contents


def _read_entry(path: Path, start: int, told: dict[str, Any]) -> StoredTensor:
    (first, last), shape = told["data_offsets"], tuple(told["shape"])
    # A kind of numbers that is not known here is no damage.
    size = prod(shape) * ITEM_BYTES[told["dtype"]] if told["dtype"] in ITEM_BYTES else last - first
    if first < 0 or last - first != size:
        raise ValueError(told)
    return StoredTensor(path, told["dtype"], shape, start + first, size)


def _read_archive(path: Path) -> Contents:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2]: name for name in archive.namelist()}
            with archive.open(names["data.pkl"]) as file:
                told = _StateDictReader(file, path, archive, names).load()
        return {name: each for name, each in told.items() if isinstance(each, StoredTensor)}
    except zipfile.BadZipFile as error:
        raise WeightsDamaged(path, "its end is missing") from error
    except pickle.UnpicklingError as error:
        raise WeightsDamaged(path, f"it holds more than tensors ({error})") from error
    except _SENSELESS as error:
        raise WeightsDamaged(path, "its table of contents makes no sense") from error


class _StateDictReader(pickle.Unpickler):  # noqa: S301 - find_class refuses all
    """Reads a state dict's names and shapes; whatever is no tensor is refused, so nothing of the file is ever run."""

    def __init__(
        self, file: Any, path: Path, archive: zipfile.ZipFile, names: dict[str, str]
    ) -> None:
        super().__init__(file)
        self._path, self._archive, self._names = path, archive, names

    def find_class(self, module: str, name: str) -> Any:
        """Only what a state dict of tensors is made of."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda entry, *_: entry
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, told: Any) -> StoredTensor:
        """A storage: one record of the archive, whole."""
        _, kind, key, _, count = told
        record = self._archive.getinfo(self._names[f"data/{key}"])
        if record.file_size != count * ITEM_BYTES[kind]:
            raise ValueError(key)
        plain = record.compress_type == zipfile.ZIP_STORED
        begin = self._begin(record.header_offset)
        return StoredTensor(self._path, kind, (count,), begin, record.file_size, plain)

    def _begin(self, header: int) -> int:
        """Where a record begins behind its own header, which repeats its name and fills it up."""
        with self._path.open("rb") as file:
            file.seek(header + NAME)
            return header + HEADER + sum(struct.unpack("<HH", file.read(4)))


def _rebuild_tensor(
    storage: StoredTensor, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> StoredTensor:
    item, shape = ITEM_BYTES[storage.kind], tuple(shape)
    dense = storage.dense and tuple(stride) == tuple(
        prod(shape[axis + 1 :]) for axis in range(len(shape))
    )
    begin, size = offset * item, prod(shape) * item
    if dense and not 0 <= begin <= storage.size - size:
        raise ValueError(shape)
    return replace(storage, shape=shape, offset=storage.offset + begin, size=size, dense=dense)
