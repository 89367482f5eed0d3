"""The carry, a state checkpoint of the denoiser: all that a clip takes from those before it. Two are kept, and anchors; one record vouches for all pieces of one."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from storage.errors import NotMade
from storage.named_arrays import (
    MOST,
    NamedArray,
    find_named_array_flaws,
    read_named_array,
    write_named_arrays,
)
from storage.names import find_clips
from storage.publish import link_folder, remove_path
from storage.records import Records
from storage.run_paths import path_inside

STAGE = "carry"


class CarryStore:
    """The carries of a run, each named by the clip that it stands before."""

    def __init__(
        self,
        folder: Path,
        records: Records,
        anchor_clips: int = 0,
        joins: Sequence[int] = (),
        largest_piece: int = MOST,
    ) -> None:
        """A carry that stands before a multiple of `anchor_clips` is never deleted; 0 has no such.

        `joins` are clips that do not follow the one before them: what lies beyond one has its own two carries.
        """
        self.folder = folder
        self.records = records
        self.anchor_clips = anchor_clips
        self.joins = joins
        self._largest_piece = largest_piece

    def publish(self, next_clip: int, pieces: Iterable[NamedArray]) -> None:
        """Make a carry durable, piece by piece, then its record. All but the newest complete one (and anchors) go first.

        Does nothing where this one, or a newer one, is complete (replaying, the same bits would come out); an anchor that is missing is made.
        """
        stretch = bisect_right(self.joins, next_clip)
        complete = {clip for clip in self.complete if bisect_right(self.joins, clip) == stretch}
        if next_clip in complete or (
            not self._is_anchor(next_clip) and next_clip < max(complete, default=-1)
        ):
            return
        # The newest stays until this one is whole; with it there are never three.
        for clip in sorted(complete)[:-1]:
            if not self._is_anchor(clip):
                self.discard(clip)
        facts = write_named_arrays(self.path(next_clip), pieces)
        self.records.commit(STAGE, next_clip, pieces=facts)

    def newest(self, at_most: int) -> int | None:
        """The largest clip ≤ at_most that a complete carry stands before; None where there is none."""
        return max((clip for clip in self.complete if clip <= at_most), default=None)

    def share(self, next_clip: int, other: "CarryStore") -> int:
        """Have a complete carry of another run here, too; bytes that had to be copied."""
        copied = link_folder(other.path(next_clip), self.path(next_clip))
        self.records.adopt(STAGE, next_clip, other.records.read(STAGE, next_clip) or {})
        return copied

    def load(self, next_clip: int) -> Iterator[NamedArray]:
        """The pieces of a carry in the order they were given, each verified before it is handed out. Raises NotMade or Damaged."""
        facts = self.records.vouched(STAGE, next_clip)
        if facts is None:
            raise NotMade(f"the carry before clip {next_clip}")
        for fact in facts["pieces"]:
            yield fact["name"], read_named_array(self.path(next_clip), fact, self._largest_piece)

    def flaws(self, next_clip: int) -> Iterator[tuple[Path, str]]:
        """Each file of a complete carry that is not what was written, and what is wrong with it. Reads all of them."""
        facts = self.records.vouched(STAGE, next_clip) or {"pieces": ()}
        yield from find_named_array_flaws(
            self.path(next_clip), facts["pieces"], self._largest_piece
        )

    def clips(self) -> list[int]:
        """The clips before which a carry stands, whole or not: there is a folder or a record for each."""
        return sorted({*self.records.clips_with_record(STAGE), *self._clips_with_folder()})

    def discard(self, next_clip: int) -> None:
        """Remove a carry, for instance a damaged one: record first."""
        path = self.path(next_clip)
        self.records.withdraw(STAGE, next_clip)
        remove_path(path)

    def sweep(self) -> int:
        """Remove the carries that no record vouches for, and records that cannot be read; how many there were."""
        orphans = set(self.clips()) - self.complete
        for clip in orphans:
            self.discard(clip)
        return len(orphans)

    def _is_anchor(self, clip: int) -> bool:
        return self.anchor_clips > 0 and clip % self.anchor_clips == 0

    @property
    def complete(self) -> set[int]:
        """The clips that a complete carry stands before."""
        return {clip for clip in self._clips_with_folder() if self.records.complete(STAGE, clip)}

    def _clips_with_folder(self) -> set[int]:
        return set(find_clips(self.folder, _folder_name))

    def path(self, clip: int) -> Path:
        """The folder of the carry before a clip. Raises LinkInRun."""
        return path_inside(self.folder.parent, self.folder.name, _folder_name(clip))


def _folder_name(clip: int) -> str:
    return f"{clip:05d}"
