"""What a run has in common with another: the same files under two names, and records of its own that vouch for them.

Nothing is written into a published file, ever; who makes one again puts a new file in its place. So neither run sees what becomes of the other.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from storage.digest import find_file_flaw
from storage.publish import link_files, link_folder
from storage.records import Facts
from storage.run_paths import face_picture_path

if TYPE_CHECKING:
    from storage.run import Run

BATCH = 64
"""Clips whose files are synced together."""


class FileSharing:
    """Two runs, one of which gets what the other has. What has a record already is passed over, so it may be done again."""

    def __init__(self, old: "Run", new: "Run") -> None:
        self.old, self.new = old, new
        self.copied = 0
        """Bytes for which no link could be made."""

    def share_once(self) -> None:
        """Share what was made once a run: the encoded inputs, the sounds, the soundtrack where it is the same, the picture of the face."""
        self._share_folder("inputs", None, (self.old.inputs.folder, self.new.inputs.folder))
        for number, sound in self.old.sounds.items():
            folders = sound.folder, self.new.sounds[number].folder
            self._share_folder("sound", number or None, folders)
        same = self.old.sounds.keys() == self.new.sounds.keys()
        facts = self._record_to_share("soundtrack", None) if same else None
        if facts is not None and _is_there(self.old.soundtrack_path, facts):
            pair = self.old.soundtrack_path, self.new.soundtrack_path
            self.copied += link_files([pair])
            self.new.records.adopt("soundtrack", None, facts)
        here, there = face_picture_path(self.old.root), face_picture_path(self.new.root)
        if here.is_file() and not there.exists():
            self.copied += link_files([(here, there)])

    def _share_folder(self, stage: str, number: int | None, folders: tuple[Path, Path]) -> None:
        if (facts := self._record_to_share(stage, number)) is not None:
            self.copied += link_folder(*folders)
            self.new.records.adopt(stage, number, facts)

    def share_clips(self, stage: str, clips: Iterable[int]) -> None:
        """Share these clips of a stage, as far as the other run has them."""
        rest = iter(clips)
        while batch := list(islice(rest, BATCH)):
            due = list(self._clips_to_share(stage, batch))
            self.copied += link_files(
                (self._file_path(self.old, stage, clip), self._file_path(self.new, stage, clip))
                for clip, facts in due
                if facts["state"] == "done"
            )
            for clip, facts in due:
                self.new.records.adopt(stage, clip, self._as_own_record(stage, clip, facts))

    def share_carries(self, clips: Iterable[int]) -> None:
        """Share the carries that stand before these clips."""
        for clip in clips:
            if not self.new.records.complete("carry", clip):
                self.copied += self.new.carry.share(clip, self.old.carry)

    def _clips_to_share(self, stage: str, clips: Iterable[int]) -> Iterator[tuple[int, Facts]]:
        for clip in clips:
            facts = self._record_to_share(stage, clip)
            if facts is None:
                continue
            if facts["state"] == "pruned" or self._is_whole(stage, clip, facts):
                yield clip, facts

    def _record_to_share(self, stage: str, clip: int | None) -> Facts | None:
        """The other run's record where this run has none; None where it has one, or the other's is in doubt."""
        facts = self.old.records.read(stage, clip)
        if facts is None or facts["state"] == "doubted":
            return None
        return None if self.new.records.read(stage, clip) else facts

    def _is_whole(self, stage: str, clip: int, facts: Facts) -> bool:
        """True if a clip's file has its length; its hash is asked by who reads it. What is not whole is made again here."""
        if stage == "segment":
            return _is_there(self.old.segment_path(clip), facts)
        return getattr(self.old, stage).flaw(clip, thorough=False) is None

    def _as_own_record(self, stage: str, clip: int, facts: Facts) -> Facts:
        """The other run's record, in which the command that makes a pruned file again names this run."""
        if facts["state"] != "pruned":
            return facts
        return {**facts, "remake": getattr(self.new, stage).remake(clip)}

    @staticmethod
    def _file_path(run: "Run", stage: str, clip: int) -> Path:
        if stage == "segment":
            return run.segment_path(clip)
        path: Path = getattr(run, stage).chunk_path(clip)
        return path


def _is_there(path: Path, facts: Facts) -> bool:
    return find_file_flaw(path, facts["bytes"], None) is None
