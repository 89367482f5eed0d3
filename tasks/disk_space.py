"""What a film takes of the disk: planned before any work, looked at again before each clip, held back for the joining."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from storage.audio_array import CHUNK_SAMPLES
from storage.disk import (
    describe_place,
    describe_shortage,
    format_bytes,
    nearest_existing,
    read_file_system,
)
from storage.errors import NoSpace, NotWritable
from storage.layout import clip_arrays
from storage.lock import require_lock
from storage.reserve import DiskReserve
from storage.soundtrack import AAC_BIT_RATE
from storage.spec import CARRY_FIRST
from tasks.events import emit_event
from tasks.retention import count_frames_kept, find_prunable, parse_kept, prune_piece

if TYPE_CHECKING:
    from fractions import Fraction

    from model.avatar import ModelTraits
    from storage.arrays import ClipArray
    from storage.run import Run
    from storage.spec import Settings, Spec

LOW_BYTES = 5 * 10**9
SPARE_CLIPS = 2
"""Clips for which there is always room: the one that is made, and the one that is made ahead."""
FILES_PER_CLIP = 14
"""Files of one clip at the most: records, chunks, the segment and a draft."""
BLOCK_BYTES = 4096
"""What the smallest file takes of most disks."""
FILES_PER_PIECE = 3
"""Of a carry: a folder, its zarr.json, its chunk."""
FILM_MARGIN = 1.25
"""What the clips to come may take, over the mean of those that are there."""
PIXELS_PER_BYTE = 32
"""Of a segment. A talking head at crf 18 takes a hundred; grain takes more."""
CARRIES_AT_ONCE = 3
"""Two, and the draft of the third."""
LOG_BYTES = 2048
"""Bytes of log and events that one clip writes, about."""
RUN_FILES = 45
"""Folders and small files that every run has: run.json twice, a zarr.json for each array, the encoded inputs, records."""
PRUNABLE = ("frames", "steps")
"""Arrays of which not all clips need stay."""
CHECKSUM_BYTES = 4
"""Bytes of the crc32c at the end of a chunk."""


@dataclass(frozen=True)
class MeasuredSizes:
    """What follows from no arithmetic. None: not known yet, and a bound stands in its place; else as a rehearsal of the film showed it."""

    segment: int | None = None
    """Bytes of one clip as video."""
    sound: float | None = None
    """Bytes of soundtrack a second."""
    carry: int | None = None
    """Bytes of one carry, all its files counted."""
    log: int = LOG_BYTES
    """Bytes of log and events a clip."""


@dataclass(frozen=True)
class OncePerRun:
    """What a run has beside its clips."""

    carries: int = 0
    """So many stay at once."""
    carry: int = 0
    """Bytes of one."""
    pieces: int = 0
    """Of one."""
    inputs: int = 0
    """Bytes of the copies of picture and sound, and of both (and the prompt) as the model has them."""
    copies: int = 0
    """Of the film, for --output-file on the same disk."""


@dataclass(frozen=True)
class DiskPlan:
    """What stays of a film on the disk, by arithmetic: the one that is checked before a film, held while it is made, and told by `longtake plan`."""

    spec: "Spec"
    frames: int | None
    """Clips whose frames stay; None is all."""
    steps: int | None
    known: MeasuredSizes = field(default_factory=MeasuredSizes)
    seconds: "Fraction | None" = None
    """Length of the whole sound, where the film is shorter."""

    @property
    def clip(self) -> int:
        """Bytes of one clip, with all that is kept of it."""
        frames = 0 if self.frames == 0 else self.frame_bytes
        return self.bare_clip + frames + (0 if self.steps == 0 else self.step_bytes)

    @property
    def bare_clip(self) -> int:
        """Bytes of one clip that stay whatever is kept."""
        arrays = sum(size for name, size in self._arrays.items() if name not in PRUNABLE)
        return arrays + round_to_blocks(self.segment) + self._records

    @property
    def frame_bytes(self) -> int:
        """Of one clip's frames."""
        return self._arrays["frames"]

    @property
    def step_bytes(self) -> int:
        """Of one clip's latents after each step."""
        return self._arrays["steps"]

    @property
    def segment(self) -> int:
        """Of one clip as video."""
        pixels = self.spec.clip_frames * self.spec.width * self.spec.height
        return pixels // PIXELS_PER_BYTE if self.known.segment is None else self.known.segment

    @property
    def soundtrack(self) -> int:
        """Of the whole sound as AAC, in two channels unless it is known better."""
        return int(self._sound_a_second * (self._length + 1))

    @property
    def heard(self) -> int:
        """Of the sound as the model hears it: whole chunks."""
        samples = int(self._length * self.spec.sample_rate)
        return -(-samples // CHUNK_SAMPLES) * round_to_blocks(4 * CHUNK_SAMPLES + CHECKSUM_BYTES)

    @property
    def film(self) -> int:
        """Of the joined film: segments and their sound."""
        spec = self.spec
        return self.segment * spec.frames // spec.clip_frames + int(
            self._sound_a_second * spec.frames / spec.fps
        )

    def parts(self, count: int) -> dict[str, int]:
        """Bytes of so many clips by part, of which the oldest frames and steps may go."""
        kept = {"frames": self._kept(self.frames, count), "steps": self._kept(self.steps, count)}
        arrays = {name: kept.get(name, count) * size for name, size in self._arrays.items()}
        segments, records = round_to_blocks(self.segment), self._records
        return {**arrays, "segments": count * segments, "records and logs": count * records}

    def clips(self, count: int) -> int:
        """Bytes of so many clips."""
        return sum(self.parts(count).values())

    def once(self, run: OncePerRun) -> dict[str, int]:
        """Bytes by part of what a run has beside its clips."""
        carry = self.known.carry or run.carry + run.pieces * FILES_PER_PIECE * BLOCK_BYTES
        time = 8 * self.spec.clips * self.spec.clip_frames
        return {
            "inputs": round_to_blocks(run.inputs) + self.heard,
            "carry": run.carries * carry,
            "soundtrack": round_to_blocks(self.soundtrack),
            "film": round_to_blocks(self.film) * (1 + run.copies),
            "run": RUN_FILES * BLOCK_BYTES + round_to_blocks(time),
        }

    @property
    def _arrays(self) -> dict[str, int]:
        """Bytes of one clip's chunk in each array of the run."""
        shapes = {name: (shape, kind) for name, (shape, kind, _) in clip_arrays(self.spec).items()}
        width = {"float32": 4, "uint8": 1}
        return {
            n: round_to_blocks(prod(shape) * width[k] + CHECKSUM_BYTES)
            for n, (shape, k) in shapes.items()
        }

    @property
    def _records(self) -> int:
        left_out = [self.frames, self.steps].count(0)
        return (len(self._arrays) + 1 - left_out) * BLOCK_BYTES + self.known.log

    @property
    def _length(self) -> "Fraction | float":
        return self.seconds or self.spec.frames / self.spec.fps

    @property
    def _sound_a_second(self) -> float:
        return 2 * AAC_BIT_RATE / 8 if self.known.sound is None else self.known.sound

    @staticmethod
    def _kept(limit: int | None, count: int) -> int:
        return count if limit is None else min(count, limit)


def round_to_blocks(size: int) -> int:
    """What a file of so many bytes takes: whole blocks."""
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def is_copied(target: Path | None, root: Path) -> bool:
    """True if the film is put on the run's own disk a second time."""
    if target is None:
        return False
    return (
        nearest_existing(target.absolute().parent).stat().st_dev
        == nearest_existing(root).stat().st_dev
    )


def count_carries_kept(
    spec: "Spec",
    settings: "Settings",
    clips: range | None = None,
    *,
    every: int = 1,
    most: int = CARRIES_AT_ONCE,
) -> int:
    """How many carries are on the disk at most, that being written included, when these clips (None: all) are made.

    `every`: clips between two, where they are chosen by their cost; as many as may be, where that is not known.
    """
    if settings.carry_every == 0 or spec.motion_latents:
        return 0
    anchors = (spec.clips - 1) // settings.anchor_clips if settings.anchor_clips else 0
    return (
        min(len(_clips_with_carry(spec, settings, clips or range(spec.clips), every)), most)
        + anchors
    )


def _clips_with_carry(spec: "Spec", settings: "Settings", clips: range, every: int) -> set[int]:
    """The clips that a carry will stand before: the first, the newest few, and the one after a part."""
    last = min(clips.stop, spec.clips - 1)
    ends = {last} if clips.stop < spec.clips else set()
    if settings.carry_every > 0:
        first = every = settings.carry_every
    else:
        # By their cost the first stands where nothing is known yet.
        first = CARRY_FIRST
        ends |= {first} if first <= last else set()
    return {*range(-(-first // every) * every, last + 1, every)[-CARRIES_AT_ONCE:], *ends}


def run_bytes(plan: DiskPlan, settings: "Settings", traits: "ModelTraits", inputs: int) -> int:
    """Bytes of a whole run at the most; `inputs`: of its picture and its sound."""
    carries = count_carries_kept(plan.spec, settings)
    once = OncePerRun(
        carries, traits.carry_bytes, traits.carry_pieces, inputs + traits.encoded_bytes
    )
    return plan.clips(plan.spec.clips) + sum(plan.once(once).values())


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
        return DiskPlan(self._run.spec, self.frames_kept, parse_kept(self._run.settings.keep_steps))

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
