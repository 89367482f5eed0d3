"""Zarr on this disk, durably: every `set` of the store is a publish. Imports zarr, so it is itself imported late."""

import asyncio
import atexit
import json
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.codecs import Crc32cCodec
from zarr.core import sync
from zarr.core.buffer import Buffer
from zarr.storage import LocalStore, MemoryStore, StorePath

from storage.array_layout import ArrayLayout
from storage.publish import make_folder, publish_bytes, remove_path

LOOP_PATIENCE = 10.0
"""Seconds in which zarr's loop ends what it is at, when Python ends."""


@cache
def end_loop_before_zarr() -> None:
    """Have zarr's loop stopped when Python ends, before zarr closes it: it gives it .2 s, and on a busy machine writes a traceback behind the film's last line."""
    atexit.register(_stop_loop)


def _stop_loop() -> None:
    running, thread = sync.loop[0], sync.iothread[0]
    if running is not None and thread is not None:
        running.call_soon_threadsafe(running.stop)
        thread.join(LOOP_PATIENCE)


class DurableStore(LocalStore):
    """Zarr's own local store, but that what it has set or deleted stays so after a power cut."""

    def __init__(self, root: Path | str, *, read_only: bool = False) -> None:
        super().__init__(root, read_only=read_only)
        # A chunk is written whole before the next begins, so more workers do nothing; each has a heap of its own, which
        # grows by a chunk now and then: 2 % in 60 clips, and nothing with one. Zarr reads it when its pool first starts.
        zarr.config.set({"threading.max_workers": 1})

    def set_sync(self, key: str, value: Buffer) -> None:
        """Publish one object under its key."""
        self._check_writable()
        path = self.root / key
        make_folder(path.parent)
        publish_bytes(path, memoryview(value.as_buffer_like()))

    async def set(self, key: str, value: Buffer) -> None:
        """Publish one object."""
        await asyncio.to_thread(self.set_sync, key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Publish one object unless it is there."""
        if not await self.exists(key):
            await self.set(key, value)

    async def delete(self, key: str) -> None:
        """Remove one object."""
        self._check_writable()
        await asyncio.to_thread(remove_path, self.root / key)


def create_array(folder: Path, layout: ArrayLayout) -> zarr.Array[Any]:
    """An empty Zarr v3 array in a draft folder, which whoever publishes that syncs: flat keys, raw bytes, NaN where nothing was written (0 for integers), empty chunks kept."""
    return _create_in_store(LocalStore(folder), layout)


def array_at(folder: Path, layout: ArrayLayout) -> zarr.Array[Any]:
    """An array as its layout has it. Its zarr.json is not asked: that is for other readers, and may be damaged."""
    found = zarr.Array.from_dict(
        StorePath(DurableStore(folder)), json.loads(render_metadata(layout))
    )
    return _with_empty_chunks(found)


@lru_cache(maxsize=100)  # whoever looks at a run asks for all of its arrays
def render_metadata(layout: ArrayLayout) -> bytes:
    """The zarr.json of an array."""
    held: dict[str, Buffer] = {}
    _create_in_store(MemoryStore(held), layout)
    return held["zarr.json"].to_bytes()


def _create_in_store(store: Store, layout: ArrayLayout) -> zarr.Array[Any]:
    end_loop_before_zarr()
    array = zarr.create_array(
        store,
        shape=layout.shape,
        chunks=layout.chunks,
        dtype=layout.dtype,
        fill_value=float("nan") if layout.dtype.startswith("float") else 0,
        compressors=[Crc32cCodec()] if layout.checked else None,
        filters=None,
        chunk_key_encoding={"name": "default", "separator": "."},
        dimension_names=layout.dimensions,
        attributes=layout.attributes,
        config={"write_empty_chunks": True},
        overwrite=True,
    )
    assert isinstance(array, zarr.Array)
    return array


def _with_empty_chunks(array: zarr.Array[Any]) -> zarr.Array[Any]:
    # open_array ignores its config (zarr-python#2931), and a black clip would then leave no chunk.
    return array.with_config({"write_empty_chunks": True})
