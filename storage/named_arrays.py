"""A folder of named arrays that is published whole: one Zarr array of one chunk per piece, and the list that a record keeps of them."""

import json
import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.array_layout import ArrayLayout
from storage.chunks import ChunkUnreadable, Shape, chunk_bytes, digest_of_chunk, read_chunk
from storage.digest import CONTENT_CHANGED
from storage.errors import Damaged
from storage.layout import LARGEST_METADATA, find_json_flaw, find_metadata_flaw
from storage.names import GROUP
from storage.publish import make_folder, publish_folder, remove_path
from storage.records import Facts
from storage.refusals import raise_if_machine_refused
from storage.run_paths import path_inside
from storage.schema import ListOf, OneOf, TableWith, Unfit, Whole, read_json

Array = NDArray[Any]
NamedArray = tuple[str, Array]

_KINDS = (
    "float32",
    "float64",
    "float16",
    "uint8",
    "uint16",
    "uint32",
    "int8",
    "int32",
    "int64",
    "bool",
)
_SHAPED = TableWith({"shape": ListOf(Whole(0, 1 << 40), 8), "data_type": OneOf(_KINDS)})
MOST = 1 << 30
"""Bytes of one piece, where nobody says less."""
_GROUP = {"zarr_format": 3, "node_type": "group", "attributes": {}}


def write_named_arrays(folder: Path, pieces: Iterable[NamedArray]) -> list[Facts]:
    """Make a folder of these pieces, durably, in place of one that may be there; what a record is to hold: name, folder and digest of each.

    Only one piece is in memory at a time.
    """
    remove_path(folder)
    make_folder(folder.parent)
    with publish_folder(folder) as draft:
        (draft / GROUP).write_text(json.dumps(_GROUP))
        facts = [_write_one(draft, name, array) for name, array in pieces]
        assert len({fact["folder"] for fact in facts}) == len(facts), "two pieces have one name"
    return facts


def read_named_array(folder: Path, fact: Facts, most: int = MOST) -> Array:
    """One piece of at most so many bytes, verified against what its record holds. Raises Damaged."""
    name = f"{folder.name}/{fact['name']}"
    try:
        shape, kind = _shape_of(folder, fact, most)
        array = np.empty(shape, kind)
        if array.size:
            array = read_chunk(_chunk_path(folder, fact, shape), shape, kind)
    except ChunkUnreadable as error:
        raise Damaged(name, f"it {error}") from error
    if _hash_with_shape(array) != fact["digest"]:
        raise Damaged(name, "it is not what its record vouches for")
    return array


def find_named_array_flaws(
    folder: Path, facts: Iterable[Facts], most: int = MOST
) -> Iterator[tuple[Path, str]]:
    """Each file of a folder of pieces that is not what was written, and what is wrong with it; a megabyte in memory at a time."""
    if (
        flaw := find_json_flaw(path_inside(folder, GROUP), json.dumps(_GROUP).encode())
    ) is not None:
        yield folder / GROUP, flaw
    for fact in facts:
        yield from _find_flaws_of_one(folder, fact, most)


def _find_flaws_of_one(folder: Path, fact: Facts, most: int) -> Iterator[tuple[Path, str]]:
    metadata = path_inside(folder, fact["folder"], GROUP)
    try:
        shape, kind = _shape_of(folder, fact, most)
    except ChunkUnreadable:
        yield metadata, CONTENT_CHANGED
        return
    try:
        chunk, head = _chunk_path(folder, fact, shape), _hash_head(shape, kind)
        found = sha256(head).hexdigest()
        if prod(shape):
            found = digest_of_chunk(chunk, shape, kind, head)
    except ChunkUnreadable as error:
        yield chunk, str(error)
        return
    if found != fact["digest"]:
        yield chunk, CONTENT_CHANGED
    elif (flaw := find_metadata_flaw(metadata, _layout_of(fact["name"], shape, kind))) is not None:
        yield metadata, flaw


def _shape_of(folder: Path, fact: Facts, most: int) -> tuple[Shape, str]:
    """Shape and type of an array by its zarr.json, which the record's digest covers. Nothing else that stands there counts."""
    try:
        found = read_json(path_inside(folder, fact["folder"], GROUP), LARGEST_METADATA)
        _SHAPED(found)
    except (OSError, Unfit) as error:
        raise_if_machine_refused(error)
        raise ChunkUnreadable(f"{CONTENT_CHANGED} ({GROUP})") from error
    shape, kind = tuple(found["shape"]), found["data_type"]
    if chunk_bytes(shape, kind) > most:
        raise ChunkUnreadable(f"is said to be larger than {most} bytes")
    return shape, kind


def _chunk_path(folder: Path, fact: Facts, shape: Shape) -> Path:
    return path_inside(folder, fact["folder"], ".".join(("c", *("0" for _ in shape))))


def _layout_of(name: str, shape: Shape, kind: str) -> ArrayLayout:
    chunks = tuple(max(1, size) for size in shape)
    return ArrayLayout(shape, chunks, kind, attributes={"name": name})


def _write_one(draft: Path, name: str, array: Array) -> Facts:
    from storage.zarr_store import create_array

    folder = re.sub(r"[^\w.-]", ".", name)
    # Not synced one by one: publish_folder does it for all, when the disk has long begun to write the first.
    layout = _layout_of(name, array.shape, array.dtype.name)
    create_array(draft / folder, layout)[...] = array
    return {"name": name, "folder": folder, "digest": _hash_with_shape(array)}


def _hash_with_shape(array: Array) -> str:
    found = sha256(_hash_head(array.shape, array.dtype.name))
    found.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def _hash_head(shape: Shape, kind: str) -> bytes:
    # Shape and type, which zarr.json tells and no checksum guards.
    return f"{kind}{list(shape)}".encode()
