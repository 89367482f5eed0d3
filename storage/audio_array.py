"""The sound as the model hears it: mono float32 in one Zarr array, of several speakers side by side, written as it streams by, read in spans."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.array_layout import ArrayLayout
from storage.chunks import ChunkUnreadable, chunk_bytes, read_chunk
from storage.digest import CONTENT_CHANGED, find_size_flaw, hash_array
from storage.errors import Damaged, NotMade
from storage.layout import find_metadata_flaw
from storage.names import GROUP
from storage.publish import make_folder, publish_folder, remove_path
from storage.records import Facts, Records
from storage.run_paths import path_inside

MonoSamples = NDArray[np.float32]

CHUNK_SAMPLES = 1 << 18
STAGE = "sound"


class AudioArray:
    """Mono float32 at the spec's sample_rate, [sample] or of several speakers [sample, speaker], in chunks of 2^18 samples. Its record (stage `sound`, and its number where it is not the first) holds a digest per chunk."""

    def __init__(
        self, folder: Path, records: Records, rate: int, speakers: int = 1, number: int = 0
    ) -> None:
        """`number`: which of the film's sounds it is; 0 the first one's."""
        self._folder, self._across = folder, () if speakers == 1 else (speakers,)
        self._number = number or None
        self.records = records
        self.rate = rate
        self._kept: dict[int, MonoSamples] = {}
        self._facts: Facts | None = None
        self._lock = Lock()

    def publish(self, blocks: Iterable[MonoSamples], **facts: Any) -> int:
        """Write the sound as its blocks [sample] or [sample, speaker], of any length, come in; its number of samples. Memory: one chunk."""
        from storage.zarr_store import create_array

        remove_path(self.folder)
        make_folder(self.folder.parent)
        with publish_folder(self.folder) as draft:
            array = create_array(draft, self._layout(0))
            digests = []
            # Grown chunk by chunk: the length is known when the last block has come, and a resize only rewrites zarr.json.
            for chunk in _split_chunks(blocks, self._chunk_shape):
                array.append(chunk)
                digests.append(hash_array(chunk))
            samples = array.shape[0]
        self.records.commit(STAGE, self._number, samples=samples, digests=digests, **facts)
        self._facts, self._kept = None, {}
        return samples

    @property
    def folder(self) -> Path:
        """The array's folder in the run. Raises LinkInRun."""
        return path_inside(self._folder.parent, self._folder.name)

    def complete(self) -> bool:
        """True if the whole sound is there."""
        return self.records.complete(STAGE, self._number)

    @property
    def samples(self) -> int:
        """The sound's length in samples. Raises NotMade."""
        return int(self._read_record()["samples"])

    def read(self, start: int, stop: int) -> MonoSamples:
        """Samples [start, stop), all speakers together, verified; silence before 0 and beyond the end. Keeps two chunks in memory. Raises NotMade or Damaged."""
        each = self.read_speakers(start, stop)
        return each[0] if len(each) == 1 else np.asarray(each.sum(0, dtype=np.float32))

    def read_speakers(self, start: int, stop: int) -> MonoSamples:
        """Samples [start, stop) of each speaker [speaker, sample], as `read` gives those of all together."""
        return np.atleast_2d(self._read_span(start, stop).T)

    def _read_span(self, start: int, stop: int) -> MonoSamples:
        sound = np.zeros((stop - start, *self._across), np.float32)
        first, last = max(start, 0), min(stop, self.samples)
        if last <= first:  # all of it is silence
            return sound
        for index in range(first // CHUNK_SAMPLES, -(-last // CHUNK_SAMPLES)):
            chunk = self._chunk(index)
            low, high = (
                max(first, index * CHUNK_SAMPLES),
                min(last, index * CHUNK_SAMPLES + len(chunk)),
            )
            sound[low - start : high - start] = chunk[
                low - index * CHUNK_SAMPLES : high - index * CHUNK_SAMPLES
            ]
        return sound

    def flaws(self, *, thorough: bool) -> Iterator[tuple[Path, str]]:
        """Each file of the sound that is not what was written, and what is wrong with it: chunks by their hash, or by their length alone."""
        chunks, digests = -(-self.samples // CHUNK_SAMPLES), self._read_record()["digests"]
        if chunks != len(digests):
            yield (
                self.records.path(STAGE, self._number),
                f"cannot be: it has {len(digests)} of {chunks} digests",
            )
            return
        if (flaw := find_metadata_flaw(self._path(GROUP), self._layout(self.samples))) is not None:
            yield self._path(GROUP), flaw
        for index in range(chunks):
            path = self._chunk_path(index)
            flaw = find_size_flaw(path, chunk_bytes(self._chunk_shape, "float32"))
            if flaw is None and thorough and not self._is_whole(index):
                flaw = CONTENT_CHANGED
            if flaw is not None:
                yield path, flaw

    def _is_whole(self, index: int) -> bool:
        try:
            self._load(index)
        except Damaged:
            return False
        return True

    def _chunk_path(self, index: int) -> Path:
        return self._path(f"c.{index}{'.0' * len(self._across)}")

    def _path(self, name: str) -> Path:
        return path_inside(self._folder.parent, self._folder.name, name)

    def _layout(self, samples: int) -> ArrayLayout:
        attributes = {"sample_rate": self.rate}
        dimensions = ("sample", "speaker")[: len(self._chunk_shape)]
        shape = (samples, *self._across)
        return ArrayLayout(shape, self._chunk_shape, "float32", dimensions, attributes=attributes)

    @property
    def _chunk_shape(self) -> tuple[int, ...]:
        return (CHUNK_SAMPLES, *self._across)

    def _read_record(self) -> Facts:
        if self._facts is None:
            self._facts = self.records.vouched(STAGE, self._number)
        if self._facts is None:
            raise NotMade("the sound")
        return self._facts

    def _chunk(self, index: int) -> MonoSamples:
        with self._lock:
            if index not in self._kept:
                kept = [*self._kept.items()][-1:]
                self._kept = {**dict(kept), index: self._load(index)}
            return self._kept[index]

    def _load(self, index: int) -> MonoSamples:
        try:
            whole = read_chunk(self._chunk_path(index), self._chunk_shape, "float32")
        except ChunkUnreadable as error:
            raise Damaged(f"chunk {index} of the sound", f"it {error}") from error
        chunk: MonoSamples = whole[: self.samples - index * CHUNK_SAMPLES]
        if self._read_record()["digests"][index : index + 1] != [hash_array(chunk)]:
            raise Damaged(f"chunk {index} of the sound", "it is not what its record vouches for")
        return chunk


def _split_chunks(blocks: Iterable[MonoSamples], shape: tuple[int, ...]) -> Iterator[MonoSamples]:
    chunk, filled = np.empty(shape, np.float32), 0
    for block in blocks:
        used = 0
        while used < len(block):
            taken = block[used : used + CHUNK_SAMPLES - filled]
            chunk[filled : filled + len(taken)] = taken
            used, filled = used + len(taken), filled + len(taken)
            if filled == CHUNK_SAMPLES:
                yield chunk
                filled = 0
    if filled:
        yield chunk[:filled]
