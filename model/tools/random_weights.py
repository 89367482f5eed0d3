"""Files of random weights, written piece by piece: safetensors, and torch archives. Any size in the same memory; no torch."""

import json
import pickle
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.weights.file_headers import ITEM_BYTES
from model.weights.published_shapes import Shape, Shapes

POOL = 4_194_301
"""Random numbers that all tensors are cut from; a prime, so that the rows of a matrix do not repeat."""
STORAGES = {"F32": "FloatStorage", "BF16": "BFloat16Storage", "F16": "HalfStorage"}
LARGE = POOL // 4
"""Numbers from which on it is quicker to scale the whole pool, once."""
DATE = (1980, 1, 1, 0, 0, 0)
SMALL_BIAS = 0.02


class WeightNoise:
    """Random tensors as bytes: functions of the seed, the tensor's name and shape."""

    def __init__(self, seed: int) -> None:
        pool = np.random.default_rng(seed).standard_normal(POOL, dtype=np.float32)
        self._pool = pool
        self._scaled = lru_cache(maxsize=16)(
            lambda kind, std: encode_numbers(pool * np.float32(std), kind)
        )

    def tensor(self, name: str, shape: Shape, kind: str) -> Iterator[memoryview]:
        """Its bytes, in pieces of up to POOL numbers."""
        mean, std = mean_and_deviation(name, shape)
        start, left = zlib.crc32(name.encode()) % POOL, prod(shape)
        while left:
            piece = self._piece(slice(start, min(POOL, start + left)), kind, mean, std)
            left, start = left - len(piece), 0
            yield piece.data.cast("B")

    def _piece(self, span: slice, kind: str, mean: float, std: float) -> NDArray[Any]:
        length = span.stop - span.start
        if not std:
            return encode_numbers(np.full(length, mean, np.float32), kind)
        if length < LARGE:
            return encode_numbers(self._pool[span] * np.float32(std), kind)
        return self._scaled(kind, std)[span]


def mean_and_deviation(name: str, shape: Shape) -> tuple[float, float]:
    """Mean and standard deviation: norms are one, layers keep the variance of what goes through them."""
    if name.endswith(("gamma", "weight_g", "casual_audio_encoder.weights")):
        return 1.0, 0.0
    if name.endswith(".bias"):
        return 0.0, SMALL_BIAS
    if len(shape) == 1:
        return 1.0, 0.0
    if name.endswith("lora_B.default.weight"):
        return 0.0, SMALL_BIAS
    if name == "token_embedding.weight":
        return 0.0, 1.0
    return 0.0, prod(shape[1:]) ** -0.5


def encode_numbers(numbers: NDArray[np.float32], kind: str) -> NDArray[Any]:
    """Numbers as a kind; bfloat16 (as uint16) is rounded to the nearest, ties to even."""
    if kind == "BF16":
        bits = numbers.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return numbers.astype({"F32": np.float32, "F16": np.float16}[kind])


def write_safetensors(path: Path, shapes: Shapes, kind: str, noise: WeightNoise) -> None:
    """One safetensors file, its header first."""
    with path.open("wb") as file:
        file.write(make_header(shapes, kind))
        for name, shape in shapes.items():
            file.writelines(noise.tensor(name, shape, kind))


def make_header(shapes: Shapes, kind: str) -> bytes:
    """What a safetensors file of these tensors begins with, its length included."""
    told: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + count_bytes(shape, kind)
        told[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(told, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write_archive(path: Path, shapes: Shapes, kind: str, noise: WeightNoise) -> None:
    """One file as torch.save writes a state dict."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _write_record(archive, "data.pkl", [_pickle_table(shapes, kind)])
        _write_record(archive, "byteorder", [b"little"])
        for i, (name, shape) in enumerate(shapes.items()):
            _write_record(
                archive, f"data/{i}", noise.tensor(name, shape, kind), count_bytes(shape, kind)
            )
        _write_record(archive, "version", [b"3\n"])


def count_bytes(shape: Shape, kind: str) -> int:
    """Bytes of a tensor."""
    return prod(shape) * ITEM_BYTES[kind]


def _write_record(
    archive: zipfile.ZipFile, name: str, pieces: Iterable[bytes | memoryview], size: int = 0
) -> None:
    entry = zipfile.ZipInfo(f"archive/{name}", DATE)
    large = size > zipfile.ZIP64_LIMIT
    # Padded as torch does it, so that numbers stand on whole addresses when the file is mapped.
    start = archive.start_dir + 30 + len(entry.filename) + 4 + 20 * large
    padding = -start % 64
    entry.extra = b"FB" + padding.to_bytes(2, "little") + bytes(padding)
    with archive.open(entry, "w", force_zip64=large) as file:
        for piece in pieces:
            file.write(piece)


def _pickle_table(shapes: Shapes, kind: str) -> bytes:
    """The pickle of an ordered dict of tensors, written by hand: torch itself would want them all in memory."""
    entries = [
        _pickle_value(name) + _pickle_tensor(i, shape, kind)
        for i, (name, shape) in enumerate(shapes.items())
    ]
    return (
        b"".join([pickle.PROTO, b"\x02", _EMPTY_DICT, pickle.MARK, *entries])
        + pickle.SETITEMS
        + pickle.STOP
    )


def _pickle_tensor(number: int, shape: Shape, kind: str) -> bytes:
    strides = tuple(prod(shape[i + 1 :]) for i in range(len(shape)))
    storage = [
        _pickle_value("storage"), _pickle_global("torch", STORAGES[kind]), _pickle_value(str(number)), _pickle_value("cpu"), _pickle_value(prod(shape))
    ]  # fmt: skip
    told = [
        _pickle_tuple(*storage),
        pickle.BINPERSID,
        _pickle_value(0),
        _pickle_value(shape),
        _pickle_value(strides),
    ]
    rebuild = _pickle_global("torch._utils", "_rebuild_tensor_v2")
    return rebuild + _pickle_tuple(*told, pickle.NEWFALSE, _EMPTY_DICT) + pickle.REDUCE


def _pickle_value(value: object) -> bytes:
    """The opcodes of a plain value, without the head and the tail of a pickle."""
    return pickle.dumps(value, 2)[2:-1]


def _pickle_global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _pickle_tuple(*items: bytes) -> bytes:
    return pickle.MARK + b"".join(items) + pickle.TUPLE


_EMPTY_DICT = _pickle_global("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
