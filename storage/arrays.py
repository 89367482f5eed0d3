"""The Zarr arrays of a run: one per stage, one chunk per clip, and nothing trusted because it exists."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog
from numpy.typing import NDArray

from storage.array_layout import ArrayLayout
from storage.chunks import ChunkUnreadable, chunk_bytes, digest_of_chunk, read_chunk
from storage.digest import CONTENT_CHANGED, find_size_flaw, hash_array
from storage.errors import Damaged, NotMade, NotReproduced, Pruned
from storage.named_arrays import MOST, find_named_array_flaws, read_named_array, write_named_arrays
from storage.names import find_clips
from storage.publish import publish_bytes, remove_path
from storage.records import Facts, Records
from storage.refusals import raise_if_machine_refused
from storage.run_paths import open_own, path_inside, read_plain

if TYPE_CHECKING:
    import zarr

Array = NDArray[Any]

log = structlog.get_logger()

PRESENCE_STAGES = ("audio", "latents", "steps", "frames")


class Presence:
    """The array present(clip), one byte a clip: which of audio, latents, steps and frames are there (CF flags 1, 2, 4, 8).

    It is for readers who know nothing of records, and derived from them. Its one chunk of raw bytes is made whole with the run; a clip's byte is set in
    place, unsynced: a few µs whatever the film's length. After a crash a byte may lag behind the records until `rebuild`, which a sweep calls.
    """

    def __init__(self, root: Path, records: Records, clips: int) -> None:
        self._root = root
        self.records = records
        self.clips = clips

    @property
    def path(self) -> Path:
        """The file that holds present(clip). Raises LinkInRun."""
        return path_inside(self._root, "present/c.0")

    def refresh(self, stage: str, clip: int | None) -> None:
        """Set a clip's byte to what its records say; called after a record of this stage and clip has changed."""
        if clip is None or stage not in PRESENCE_STAGES:
            return
        path = self.path
        try:
            file = open_own(path, os.O_WRONLY)
            try:
                os.pwrite(file, bytes([self._flags_of(clip)]), clip)
            finally:
                os.close(file)
        except OSError as error:
            # The clip is done whatever this says; the next sweep writes it anew.
            log.warning("present_not_set", clip=clip, reason=error.strerror)

    def rebuild(self) -> None:
        """Write the whole array anew from the records: 80 µs a clip that is there."""
        publish_bytes(self.path, self._wanted())

    @property
    def has_its_size(self) -> bool:
        """False if the file is lost, cut or no file."""
        return find_size_flaw(self.path, self.clips) is None

    def flaw(self) -> str | None:
        """Where the array says something else than the records, in words; None if nowhere."""
        flaw = find_size_flaw(self.path, self.clips)
        if flaw is not None:
            return flaw
        said, wanted = read_plain(self.path, self.clips), self._wanted()
        other = sum(one != another for one, another in zip(said, wanted, strict=True))
        return f"is not what the records say, in {other} clips" if other else None

    def _wanted(self) -> bytes:
        flags = bytearray(self.clips)
        for bit, stage in enumerate(PRESENCE_STAGES):
            for clip in self.records.clips(stage, self.clips):
                flags[clip] |= 1 << bit
        return bytes(flags)

    def _flags_of(self, clip: int) -> int:
        return sum(
            1 << bit
            for bit, stage in enumerate(PRESENCE_STAGES)
            if self.records.complete(stage, clip)
        )


@dataclass(frozen=True)
class ClipArray:
    """One array [clip, …] of a run. The last clip is stored in full; what lies beyond the film's end is the reader's to cut."""

    folder: Path
    """Its name is the stage whose records vouch for the clips."""
    records: Records
    shape: tuple[int, ...]
    """Of one clip."""
    dtype: str
    clips: int

    @property
    def name(self) -> str:
        """The stage's name, which is the array's folder in the run."""
        return self.folder.name

    def write(self, clip: int, array: Array) -> str:
        """Make a clip's chunk durable and give its digest (SHA-256 of the array's bytes). Says nothing about completeness."""
        assert array.shape == self.shape, f"{self.name}: {array.shape} is not {self.shape}"
        assert array.dtype == self.dtype, f"{self.name}: {array.dtype} is not {self.dtype}"
        self.chunk_path(clip)  # a link is told, before anything is written through it
        self._zarr[clip] = array
        return hash_array(array)

    def publish(self, clip: int, array: Array, **facts: Any) -> None:
        """Make a clip's chunk durable, then its record, which holds the digest and these facts. Raises NotReproduced."""
        self.expect(clip, array)
        digest = self.write(clip, array)
        self.records.commit(self.name, clip, digest=digest, **facts)

    def expect(self, clip: int, array: Array) -> None:
        """Raise NotReproduced where a clip is doubted and its record holds another digest than that of this array."""
        facts = self.records.read(self.name, clip)
        held = facts.get("digest") if facts and facts["state"] == "doubted" else None
        if held is not None and held != hash_array(array):
            raise NotReproduced(clip, self.folder.parent)

    def read(self, clip: int) -> Array:
        """A clip, verified against its record. Raises NotMade, Pruned or Damaged; never gives zeros for what is missing."""
        facts, name = self._read_record(clip), f"{self.name} of clip {clip}"
        try:
            array = read_chunk(self.chunk_path(clip), self.shape, self.dtype)
        except ChunkUnreadable as error:
            raise Damaged(name, f"its chunk {error}") from error
        if hash_array(array) != facts["digest"]:
            raise Damaged(name, "it is not what its record vouches for")
        return array

    def view(self, clip: int, *, checked: bool = True) -> Array:
        """A clip as a read-only map of its file, for those who look and do not make: without zarr, and memory for the part that is touched.

        `checked`: the hash is asked, as `read` does. Raises NotMade, Pruned or Damaged.
        """
        facts, name = self._read_record(clip), f"{self.name} of clip {clip}"
        path = self.chunk_path(clip)
        if (flaw := find_size_flaw(path, chunk_bytes(self.shape, self.dtype))) is not None:
            raise Damaged(name, f"its chunk {flaw}")
        try:
            array = np.memmap(path, np.dtype(self.dtype).newbyteorder("<"), "r", 0, self.shape)
        except (ValueError, OSError) as error:
            raise_if_machine_refused(error)
            raise Damaged(name, f"it {CONTENT_CHANGED}") from error
        if checked and hash_array(array) != facts["digest"]:
            raise Damaged(name, "it is not what its record vouches for")
        return array

    def flaw(self, clip: int, *, thorough: bool) -> str | None:
        """What is wrong with a clip that its record vouches for: by its hash, or by its length alone; None if nothing is."""
        path = self.chunk_path(clip)
        if not thorough:
            return find_size_flaw(path, chunk_bytes(self.shape, self.dtype))
        try:
            found = digest_of_chunk(path, self.shape, self.dtype)
        except ChunkUnreadable as error:
            return str(error)
        return None if found == self._read_record(clip)["digest"] else CONTENT_CHANGED

    def complete(self, clip: int) -> bool:
        """True if the clip's record says done."""
        return self.records.complete(self.name, clip)

    def digest(self, clip: int) -> str | None:
        """The digest that the clip's record holds, also where it was pruned; None without a record."""
        facts = self.records.read(self.name, clip)
        return facts.get("digest") if facts else None

    def remove(self, clip: int) -> None:
        """Prune a clip: its record first says so and how to make it again, then the chunk goes."""
        path = self.chunk_path(clip)
        self.records.prune(self.name, clip, remake=self.remake(clip))
        remove_path(path)

    def remake(self, clip: int) -> str:
        """The command, in words, that makes a pruned clip again: frames are decoded anew; steps are denoised again for a look, beside the run.

        It is never taken from the record, where anybody may have written it.
        """
        run = quote(str(self.folder.parent))
        if self.name == "frames":
            return f"longtake resume {run} --keep-frames all"
        return f"longtake inspect {run} --clip {clip} --replay"

    def withdraw(self, clip: int) -> None:
        """Take a clip back: it is to be made again, and may come out otherwise."""
        self.records.withdraw(self.name, clip)

    def doubt(self, clip: int) -> None:
        """Take a damaged clip back: it is to be made again, to the same bits. Where no record holds them, any will do."""
        digest = self.digest(clip)
        self.records.doubt(self.name, clip, **({} if digest is None else {"digest": digest}))

    def sweep(self) -> int:
        """Finish the prunings that a crash cut short; how many there were. Reads a record for each chunk on disk."""
        left = [
            clip
            for clip in self.on_disk()
            if (self.records.read(self.name, clip) or {}).get("state") == "pruned"
        ]
        for clip in left:
            remove_path(self.chunk_path(clip))
        return len(left)

    def on_disk(self) -> Iterator[int]:
        """The clips that there is a chunk for on the disk, vouched for or not."""
        return find_clips(self.folder, self.chunk_name)

    def chunk_path(self, clip: int) -> Path:
        """The file that holds a clip. Raises LinkInRun."""
        return path_inside(self.folder.parent, self.name, self.chunk_name(clip))

    def chunk_name(self, clip: int) -> str:
        """The name of a clip's chunk in the array's folder."""
        return f"c.{clip}{'.0' * len(self.shape)}"

    def _read_record(self, clip: int) -> Facts:
        facts = self.records.read(self.name, clip)
        if facts is None or facts["state"] == "doubted":
            raise NotMade(f"{self.name} of clip {clip}")
        if facts["state"] == "pruned":
            raise Pruned(f"{self.name} of clip {clip}", self.remake(clip))
        return facts

    @cached_property
    def _zarr(self) -> "zarr.Array[Any]":
        from storage.zarr_store import array_at

        return array_at(
            self.folder, ArrayLayout((self.clips, *self.shape), (1, *self.shape), self.dtype)
        )


class NamedArrays:
    """Arrays with names, each whole in one chunk: what is computed once a run (reference latent, prompt states …), or once a join."""

    def __init__(
        self, folder: Path, records: Records, stage: str, clip: int | None = None, most: int = MOST
    ) -> None:
        """`clip`: of a stage that there is more than once a run. `most`: bytes that no array exceeds."""
        self.folder = folder
        self.records = records
        self.stage, self.clip = stage, clip
        self._most = most

    def publish(self, arrays: Mapping[str, Array], **facts: Any) -> None:
        """Make all of them durable, then one record that vouches for all."""
        pieces = write_named_arrays(self.folder, arrays.items())
        self.records.commit(self.stage, self.clip, pieces=pieces, **facts)

    def complete(self) -> bool:
        """True if the record that vouches for the arrays is there."""
        return self.records.complete(self.stage, self.clip)

    def read(self, name: str) -> Array:
        """One array, verified. Raises NotMade or Damaged."""
        pieces = {piece["name"]: piece for piece in self._read_record()}
        return read_named_array(self.folder, pieces[name], self._most)

    def read_all(self) -> dict[str, Array]:
        """All arrays by name, verified. Raises NotMade or Damaged."""
        return {
            piece["name"]: read_named_array(self.folder, piece, self._most)
            for piece in self._read_record()
        }

    def flaws(self) -> Iterator[tuple[Path, str]]:
        """Each file of the arrays that is not what was written, and what is wrong with it. Reads all of them."""
        yield from find_named_array_flaws(self.folder, self._read_record(), self._most)

    def _read_record(self) -> list[Facts]:
        facts = self.records.vouched(self.stage, self.clip)
        if facts is None:
            raise NotMade(self.stage)
        pieces: list[Facts] = facts["pieces"]
        return pieces
