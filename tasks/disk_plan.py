"""What a film takes of the disk, by arithmetic: told before it, checked before it, held while it is made."""

from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from storage.audio_array import CHUNK_SAMPLES
from storage.disk import nearest_existing
from storage.layout import clip_arrays
from storage.soundtrack import AAC_BIT_RATE
from storage.spec import CARRY_FIRST

if TYPE_CHECKING:
    from fractions import Fraction

    from model.avatar import ModelTraits
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


CHECKSUM_BYTES = 4
"""Bytes of the crc32c at the end of a chunk."""


@dataclass(frozen=True)
class MeasuredSizes:
    """What follows from no arithmetic. None: not known yet, and a bound stands in its place; else as a rehearsal of the film showed it."""

    segment: int | None = None
    """Bytes of one clip as video."""
    sound: float = 2 * AAC_BIT_RATE / 8
    """Bytes of soundtrack a second; in two channels unless it is known better."""
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
    live: int = 0
    """How many times each clip with its sound lies in the live film."""

    @property
    def clip(self) -> int:
        """Bytes of one clip, with all that is kept of it."""
        return self.clips(1)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one clip's frames."""
        return self._arrays["frames"]

    @property
    def step_bytes(self) -> int:
        """Bytes of one clip's latents after each step."""
        return self._arrays["steps"]

    @property
    def segment(self) -> int:
        """Bytes of one clip as video."""
        pixels = self.spec.clip_frames * self.spec.width * self.spec.height
        return pixels // PIXELS_PER_BYTE if self.known.segment is None else self.known.segment

    @property
    def soundtrack(self) -> int:
        """Bytes of the whole sound as AAC."""
        return int(self.known.sound * (self._length + 1))

    @property
    def heard(self) -> int:
        """Bytes of the sound as the model hears it: whole chunks."""
        samples = int(self._length * self.spec.sample_rate)
        return -(-samples // CHUNK_SAMPLES) * round_to_blocks(4 * CHUNK_SAMPLES + CHECKSUM_BYTES)

    @property
    def film(self) -> int:
        """Bytes of the joined film: segments and their sound."""
        spec = self.spec
        return self.segment * spec.frames // spec.clip_frames + int(
            self.known.sound * spec.frames / spec.fps
        )

    def parts(self, count: int) -> dict[str, int]:
        """Bytes of so many clips by part, of which the oldest frames and steps may go."""
        limits = {"frames": self.frames, "steps": self.steps}.items()
        kept = {name: count if most is None else min(count, most) for name, most in limits}
        arrays = {name: kept.get(name, count) * size for name, size in self._arrays.items()}
        segments, records = round_to_blocks(self.segment), self._records
        told = {"segments": count * segments, "records and logs": count * records}
        live = {"live film": count * self.live * self._fragment} if self.live else {}
        return {**arrays, **told, **live}

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
    def _fragment(self) -> int:
        """Bytes of one clip with its sound."""
        sound = self.known.sound * self.spec.clip_frames / self.spec.fps
        return round_to_blocks(self.segment + int(sound))

    @property
    def _records(self) -> int:
        left_out = [self.frames, self.steps].count(0)
        return (len(self._arrays) + 1 - left_out) * BLOCK_BYTES + self.known.log

    @property
    def _length(self) -> "Fraction | float":
        return self.seconds or self.spec.frames / self.spec.fps


def round_to_blocks(size: int) -> int:
    """What a file of so many bytes takes: whole blocks."""
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES


def count_live_copies(settings: "Settings") -> int:
    """How many times each clip lies in the live film: as a fragment, and in the film that grows."""
    return 2 if settings.grow else int(settings.live)


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
