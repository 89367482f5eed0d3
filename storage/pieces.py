"""A folder of named arrays that is published whole: one Zarr array of one chunk per piece, and the list that a record keeps of them."""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import Damaged
from storage.publish import make_folder, publish_folder, remove
from storage.records import Facts

Array = NDArray[Any]
Piece = tuple[str, Array]


def write_pieces(folder: Path, pieces: Iterable[Piece]) -> list[Facts]:
    """Make a folder of these pieces, durably, in place of one that may be there; what a record is to hold: name, folder and digest of each.

    Only one piece is in memory at a time.
    """
    remove(folder)
    make_folder(folder.parent)
    with publish_folder(folder) as draft:
        (draft / "zarr.json").write_text(
            json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}})
        )
        facts = [_write(draft, name, array) for name, array in pieces]
        assert len({fact["folder"] for fact in facts}) == len(facts), "two pieces have one name"
    return facts


def read_piece(folder: Path, fact: Facts) -> Array:
    """One piece, verified against what its record holds. Raises Damaged."""
    from storage.store import open_array

    try:
        array = np.asarray(open_array(folder / fact["folder"])[...])
    except (ValueError, RuntimeError, OSError) as error:
        raise Damaged(f"{folder.name}/{fact['name']}", error) from error
    if _digest(array) != fact["digest"]:
        raise Damaged(f"{folder.name}/{fact['name']}", "it is not what its record vouches for")
    return array


def _write(draft: Path, name: str, array: Array) -> Facts:
    from storage.store import Layout, create

    folder = re.sub(r"[^\w.-]", ".", name)
    chunks = tuple(max(1, size) for size in array.shape)
    layout = Layout(array.shape, chunks, array.dtype.name, attributes={"name": name})
    # Not synced one by one: publish_folder does it for all, when the disk has long begun to write the first.
    create(draft / folder, layout, durable=False)[...] = array
    return {"name": name, "folder": folder, "digest": _digest(array)}


def _digest(array: Array) -> str:
    # With its shape and type, which zarr.json tells and no checksum guards.
    text = f"{array.dtype.name}{list(array.shape)}".encode()
    return hashlib.sha256(text + np.ascontiguousarray(array).tobytes()).hexdigest()
