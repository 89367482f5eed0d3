"""A run: one folder with everything about one film."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from storage.arrays import ClipArray, NamedArrays
from storage.carry import CarryStore
from storage.records import Records
from storage.samples import SoundArray
from storage.spec import Settings, Spec

FORMAT = 1

Fingerprint = Mapping[str, str | int]


@dataclass(frozen=True)
class Start:
    """All that a new run is made of."""

    spec: Spec
    settings: Settings
    sources: Mapping[str, str]
    """Where each setting came from: flag, environment, default, published flag."""
    fingerprint: Fingerprint
    """The numerics: what decides the last bits."""
    image: Path
    audio: Path


class Run:
    """An open run. Opening reads run.json only; nothing is held open."""

    root: Path
    spec: Spec
    settings: Settings
    sources: Mapping[str, str]
    fingerprint: Fingerprint
    image_path: Path
    audio_path: Path
    records: Records
    latents: ClipArray
    """[c, t, h, w] float32"""
    steps: ClipArray
    """[step, c, t, h, w] float32"""
    frames: ClipArray
    """[frame, y, x, rgb] uint8"""
    audio: ClipArray
    """[layer, channel, frame] float32"""
    inputs: NamedArrays
    sound: SoundArray
    carry: CarryStore

    @classmethod
    def create(cls, root: Path, start: Start) -> Self:
        """Make a run: copies of the inputs, every array at its final size, run.json last. What an interrupted create left is made over.

        Raises NotARun where the folder holds other things, RunLocked, NotWritable, NoSpace, InputChanged.
        """
        raise NotImplementedError

    @classmethod
    def open(cls, root: Path) -> Self:
        """The run in a folder. Raises NotARun, RunDamaged, RunTooNew. A lost or damaged run.json is healed from its copy."""
        raise NotImplementedError

    def update_settings(self, settings: Settings, sources: Mapping[str, str]) -> None:
        """Put other settings in place of the present ones, durably; spec and fingerprint stay."""
        raise NotImplementedError

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run (see storage/lock.py)."""
        raise NotImplementedError
        yield

    def sweep(self) -> int:
        """Remove drafts and orphans of a crash and set present(clip) right; how many were removed. Only under the lock."""
        raise NotImplementedError

    def segment_path(self, clip: int) -> Path:
        """The clip as encoded video."""
        return self.root / "segments" / f"{clip:05d}.mp4"

    @property
    def soundtrack_path(self) -> Path:
        """The whole sound as AAC."""
        return self.root / "soundtrack.m4a"

    @property
    def video_path(self) -> Path:
        """The film."""
        return self.root / "video.mp4"

    @property
    def events_path(self) -> Path:
        """One JSON line per event."""
        return self.root / "events.jsonl"

    @property
    def log_path(self) -> Path:
        """The log that a person reads."""
        return self.root / "inference.log"
