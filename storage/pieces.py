"""A folder of named arrays that is published whole: one Zarr array of one chunk per piece, and the list that a record keeps of them."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.digest import OTHER
from storage.errors import Damaged
from storage.layout import Layout, metadata_flaw, text_flaw
from storage.names import GROUP
from storage.publish import make_folder, publish_folder, remove
from storage.records import Facts
from storage.refusals import spare_file

Array = NDArray[Any]
Piece = tuple[str, Array]

_GROUP = {"zarr_format": 3, "node_type": "group", "attributes": {}}


def write_pieces(folder: Path, pieces: Iterable[Piece]) -> list[Facts]:
    """Make a folder of these pieces, durably, in place of one that may be there; what a record is to hold: name, folder and digest of each.

    Only one piece is in memory at a time.
    """
    remove(folder)
    make_folder(folder.parent)
    with publish_folder(folder) as draft:
        (draft / GROUP).write_text(json.dumps(_GROUP))
        facts = [_write(draft, name, array) for name, array in pieces]
        assert len({fact["folder"] for fact in facts}) == len(facts), "two pieces have one name"
    return facts


def read_piece(folder: Path, fact: Facts) -> Array:
    """One piece, verified against what its record holds. Raises Damaged."""
    from storage.store import open_array

    try:
        array = np.asarray(open_array(folder / fact["folder"])[...])
    except Exception as error:  # whatever Zarr makes of metadata that is damaged
        spare_file(error)
        raise Damaged(f"{folder.name}/{fact['name']}", f"it {OTHER}") from error
    if _digest(array) != fact["digest"]:
        raise Damaged(f"{folder.name}/{fact['name']}", "it is not what its record vouches for")
    return array


def pieces_flaws(folder: Path, facts: Iterable[Facts]) -> Iterator[tuple[Path, str]]:
    """Each file of a folder of pieces that is not what was written, and what is wrong with it; one piece in memory at a time."""
    if (flaw := text_flaw(folder / GROUP, json.dumps(_GROUP).encode())) is not None:
        yield folder / GROUP, flaw
    for fact in facts:
        yield from _piece_flaws(folder, fact)


def _piece_flaws(folder: Path, fact: Facts) -> Iterator[tuple[Path, str]]:
    place = folder / fact["folder"]
    chunk = next(place.glob("c*"), None)
    try:
        array = read_piece(folder, fact)
    except Damaged:
        yield (
            (place / GROUP, OTHER) if not _is_json(place / GROUP) else (chunk or place / "c", OTHER)
        )
        return
    if array.size and chunk is None:  # zeros, and so is what Zarr makes of nothing
        yield place / "c", "is missing"
    if (flaw := metadata_flaw(place / GROUP, _layout(fact["name"], array))) is not None:
        yield place / GROUP, flaw


def _is_json(path: Path) -> bool:
    try:
        return bool(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return False


def _layout(name: str, array: Array) -> Layout:
    chunks = tuple(max(1, size) for size in array.shape)
    return Layout(array.shape, chunks, array.dtype.name, attributes={"name": name})


def _write(draft: Path, name: str, array: Array) -> Facts:
    from storage.store import create

    folder = re.sub(r"[^\w.-]", ".", name)
    # Not synced one by one: publish_folder does it for all, when the disk has long begun to write the first.
    create(draft / folder, _layout(name, array), durable=False)[...] = array
    return {"name": name, "folder": folder, "digest": _digest(array)}


def _digest(array: Array) -> str:
    # With its shape and type, which zarr.json tells and no checksum guards.
    text = f"{array.dtype.name}{list(array.shape)}".encode()
    return hashlib.sha256(text + np.ascontiguousarray(array).tobytes()).hexdigest()
