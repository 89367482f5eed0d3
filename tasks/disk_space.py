"""What a film takes of the disk: planned before any work, looked at again before each clip, held back for the joining."""

import os
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from storage.disk import (
    describe_place,
    describe_shortage,
    format_bytes,
    read_file_system,
)
from storage.errors import NoSpace, NotWritable
from storage.lock import require_lock
from storage.reserve import DiskReserve
from tasks.disk_plan import (
    BLOCK_BYTES,
    FILES_PER_CLIP,
    FILM_MARGIN,
    LOW_BYTES,
    SPARE_CLIPS,
    DiskPlan,
    count_live_copies,
    is_copied,
)
from tasks.events import emit_event
from tasks.kept import parse_kept
from tasks.retention import count_frames_kept, find_prunable, prune_piece

if TYPE_CHECKING:
    from storage.arrays import ClipArray
    from storage.run import Run


class DiskSpace:
    """The disk of one run while it is made."""

    def __init__(self, run: "Run", clips: range, target: Path | None = None) -> None:
        """`clips` are those that the film to come is joined of, `target` is where it goes as well."""
        self._run, self._clips, self._target = run, clips, target
        self.frames_kept = count_frames_kept(run)
        """How many clips' frames stay: decided once, until the disk is nearly full."""
        self._reserve = DiskReserve(run.reserve_path)
        self._spendable: Iterator[tuple[ClipArray, int]] | None = None
        self.pruned = 0
        """Pieces that were removed so far."""
        self._low = False
        self._bytes = self._made = 0
        for clip in clips:
            if (facts := run.records.vouched("segment", clip)) is not None:
                self.count(facts["bytes"])

    @property
    def spare(self) -> int:
        """Bytes without which no clip is begun."""
        return SPARE_CLIPS * self._plan.clip

    def count(self, segment: int) -> None:
        """A segment of so many bytes is published."""
        self._bytes, self._made = self._bytes + segment, self._made + 1

    def check(self) -> None:
        """Hold back what joining takes and see that two clips have room; raises NoSpace, NotWritable, LockLost. Some eighty microseconds."""
        self._check_writable()
        require_lock(self._run.root)
        if not self._run.records.complete("video"):
            self._hold(self._film + self._soundtrack)
        disk = read_file_system(self._run.root)
        if disk.free < LOW_BYTES and not self._low:
            self._low = True
            emit_event(
                "space_low", free=disk.free, size=format_bytes(disk.free), path=str(self._run.root)
            )
        if disk.free < self.spare and not self.make_room():
            emit_event("space_short", path=str(self._run.root), needed=self.spare, free=disk.free)
            raise NoSpace(self.describe())
        if disk.files is not None and disk.files < SPARE_CLIPS * FILES_PER_CLIP:
            words = f"{describe_place(self._run.root)}: {disk.files} more files can be made, {SPARE_CLIPS * FILES_PER_CLIP} are needed"
            raise NoSpace(words)

    def make_room(self, more: int = 0) -> bool:
        """Prune what the policy allows, oldest first; True if two clips, and so much more, have room then."""
        run, root, count, gained = self._run, self._run.root, 0, 0
        if run.settings.keep_frames == "auto":
            self.frames_kept = 0
        self._release_a_little()
        # Not before: `auto` has just changed its mind.
        self._spendable = self._spendable or find_prunable(run, self.frames_kept)
        # More than what is short, so that it is not done again at the next clip.
        while read_file_system(root).free < 4 * self.spare + more:
            if (found := next(self._spendable, None)) is None:
                break
            count, gained = count + 1, gained + prune_piece(*found)
        self.pruned += count
        if count:
            emit_event("space_pruned", count=count, bytes=gained, size=format_bytes(gained))
        return read_file_system(root).free >= self.spare + more

    def has_room_for(self, more: int) -> bool:
        """True if so much, too, can be written without taking the place of clips."""
        return read_file_system(self._run.root).free >= self.spare + more

    def free_for_soundtrack(self) -> None:
        """Let the soundtrack have its part of what is held back."""
        if self._reserve.size > self._film:
            self._reserve.hold(self._film)

    def free_for_film(self) -> None:
        """Let the film have what is held back."""
        self._reserve.release()

    def describe(self, fault: BaseException | None = None) -> str:
        """What is short, and the command that takes less; where the disk has room and said no all the same, its own word."""
        root, settings = self._run.root, self._run.settings
        told = describe_shortage(root, self.spare)
        if fault is not None and read_file_system(root).free >= self.spare:
            told = (
                str(fault.args[0])
                if isinstance(fault, NoSpace)
                else f"{describe_place(root)}: {fault}"
            )
        less = [
            f"--keep-{name} none"
            for name, value in (("frames", settings.keep_frames), ("steps", settings.keep_steps))
            if value not in {"none", "auto"}
        ]
        command = f"longtake resume {quote(str(root))} {' '.join(less)}"
        return f"{told}; `{command}` takes less" if less else told

    @property
    def _plan(self) -> DiskPlan:
        settings = self._run.settings
        steps, live = parse_kept(settings.keep_steps), count_live_copies(settings)
        return DiskPlan(self._run.spec, self.frames_kept, steps, live=live)

    @property
    def _film(self) -> int:
        """Bytes of the film, by what its clips take so far; with a second copy where one goes to the same disk."""
        missing = max(0, len(self._clips) - self._made)
        mean = self._bytes / self._made * FILM_MARGIN if self._made else self._plan.segment
        film = int(self._bytes + mean * missing) + 64 * self._run.spec.frames + self._sound_bytes
        return film * (1 + is_copied(self._target, self._run.root))

    @property
    def _soundtrack(self) -> int:
        there = self._run.records.complete("soundtrack")
        return 0 if there else self._plan.soundtrack

    @property
    def _sound_bytes(self) -> int:
        facts = self._run.records.read("soundtrack")
        return facts["bytes"] if facts and "bytes" in facts else self._plan.soundtrack

    def _check_writable(self) -> None:
        root = self._run.root
        if read_file_system(root).read_only:
            raise NotWritable(root, "it is mounted read-only")
        if not os.access(root, os.W_OK | os.X_OK):
            raise NotWritable(root, "there is no right to write in it any more")

    def _hold(self, wanted: int) -> None:
        held = self._reserve.size
        # In steps: the mean moves a little with every clip.
        if held >= wanted and held <= 2 * wanted + (1 << 20):
            return
        try:
            self._reserve.hold(wanted + wanted // 16)
        except NoSpace:
            if not self.make_room(wanted - held):
                raise
            self._reserve.hold(wanted)

    def _release_a_little(self) -> None:
        """Give back a little of what is held: on a disk that is quite full not even the record of a pruning could be written."""
        little = FILES_PER_CLIP * BLOCK_BYTES
        if read_file_system(self._run.root).free < little and self._reserve.size > little:
            self._reserve.hold(self._reserve.size - little)
