"""A run: one folder with everything about one film."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import structlog

from storage import drafts, layout, publish, run_json
from storage.arrays import ClipArray, NamedArrays, Presence
from storage.audio_array import AudioArray
from storage.carry import CarryStore
from storage.digest import find_file_flaw
from storage.dubbing import DubbedStretch, FilmSound
from storage.errors import Damaged, NotARun, NotMade, OtherSpec
from storage.input_files import InputCopies, copy_input
from storage.lock import HELD_FILE, LOCK_FILE, hold_lock, is_held
from storage.names import (
    BEGUN,
    FOLDERS,
    OWN,
    is_begun,
    is_run,
    refuse_conflicting_names,
    segment_name,
)
from storage.picture import TreatedPicture
from storage.records import Facts, Records
from storage.run_beginning import (
    Fingerprint,
    NewRun,
    find_beginning,
    forget_beginning,
    prepare_folder,
)
from storage.run_paths import path_inside, sound_folder
from storage.schema import is_utf8
from storage.speaker import Reading
from storage.spec import Settings, Spec
from storage.spec_words import describe_spec_difference
from storage.strays import find_obstacles

UNFINISHED = "a retake or a redub was begun in it; give the same command again"

log = structlog.get_logger()


class Run:
    """An open run. Opening reads run.json only; nothing is held open."""

    latents: ClipArray
    """[c, t, h, w] float32"""
    steps: ClipArray
    """[step, c, t, h, w] float32"""
    frames: ClipArray
    """[frame, y, x, rgb] uint8"""
    audio: ClipArray
    """[layer, channel, frame] float32"""
    pose: ClipArray
    """[c, t, h, w] float32: the latents of its part of the pose video; only where spec.pose is not empty."""
    motion: ClipArray
    """[c, past, h, w] float32: what the next clip takes from the decoded one; only where spec.motion_latents is not 0."""

    def __init__(self, root: Path, facts: Facts) -> None:
        """What run.json's facts say of a folder; use `open` or `create`."""
        self.root = root
        self.spec = Spec.from_facts(facts["spec"])
        self.settings = Settings.from_mapping(facts["settings"])
        self.sources: Mapping[str, str] = facts["sources"]
        self.joints: tuple[Facts, ...] = tuple(facts["joints"])
        """Clips from which other numerics were accepted: {clip, fingerprint}."""
        self.parent: Facts | None = facts.get("parent")
        """The run that a retake was taken from: its folder then, its spec's digest, the clips, the seeds."""
        self._facts = facts
        self._created = False
        self.picture: TreatedPicture | None = None  # decoded by this process, and not taken yet
        self.records = Records(root, self.spec.digest)
        self.presence = Presence(root, self.records, self.spec.clips)
        self.records.changed = self.presence.refresh
        for name, (shape, dtype, _) in layout.clip_arrays(self.spec).items():
            setattr(self, name, ClipArray(root / name, self.records, shape, dtype, self.spec.clips))
        self.inputs = NamedArrays(
            root / "encoded", self.records, "inputs", most=self.spec.largest_piece
        )
        rate, speakers = self.spec.sample_rate, self.spec.speaker_count
        self.sounds: Mapping[int, AudioArray] = {
            number: AudioArray(sound_folder(root, number), self.records, rate, speakers, number)
            for number in (0, *self.spec.dubs)
        }
        """The film's sounds, as the model hears them: 0 the first film's, then each with what was dubbed over the one before."""
        anchors, joins = self.settings.anchor_clips, self.spec.joins
        self.carry = CarryStore(
            root / "carry", self.records, anchors, joins, self.spec.largest_piece
        )

    @classmethod
    def create(cls, root: Path, start: NewRun) -> Self:
        """Make a run: copies of the inputs, every array at its final size, run.json last. What an interrupted create left is made over.

        Where it has an origin, what it shares is linked before run.json is written.

        The same run again is simply opened. Raises OtherSpec where it is another, NotARun where the folder holds other things, RunLocked, NotWritable,
        NoSpace, InputChanged.
        """
        refuse_conflicting_names(root)
        publish.make_folder(root)
        with hold_lock(root):
            if is_run(root):
                return cls._open_same(root, start)
            fresh = all(path.name in {LOCK_FILE, HELD_FILE} for path in root.iterdir())
            begun = None if fresh else find_beginning(root)
            facts = begun or prepare_folder(root, start)
            run = cls(root, facts)
            run._created = fresh
            if begun is None:  # hashed on the way
                run._copies.trust()
            if run.spec != start.spec:
                raise OtherSpec(root, describe_spec_difference(run.spec, start.spec))
            if start.origin is not None:
                start.origin.share(run)
            run_json.save_run_json(root, facts)
            forget_beginning(root)
        return run

    @classmethod
    def open(cls, root: Path) -> Self:
        """The run in a folder, by run.json or else by its copy; writes nothing. Raises NotARun, RunDamaged, RunTooNew, LinkInRun."""
        if not is_utf8(str(root.absolute())):
            raise NotARun(root, "its path is no UTF-8 text; rename the folder")
        if not is_run(root):
            raise NotARun(root, _why_no_run(root))
        for name in OWN:
            path_inside(root, name)
        return cls(root, run_json.read_facts(root))

    def find_run_file_flaws(self) -> Iterator[tuple[str, str]]:
        """Each of run.json and its copy that is not whole, with what is wrong with it."""
        return run_json.find_run_json_flaws(self.root)

    def restore_run_files(self) -> None:
        """Write a lost or damaged run.json anew from its copy, and the other way round. Only under the lock."""
        facts = run_json.read_either(self.root) or self._facts
        for name, flaw in self.find_run_file_flaws():
            log.warning("run_json_healed", path=str(self.root / name), flaw=flaw)
            run_json.write_file(self.root, name, facts)

    def find_input_flaws(self) -> Iterator[tuple[Path, str, str]]:
        """Each copied input that is lost or damaged, what is wrong with it, and the hash of the file that belongs there. Reads them all."""
        return self._copies.find_flaws()

    def check_inputs(self, *names: str) -> None:
        """Raise InputDamaged unless the copied inputs of these names, or all, are what the film was begun with; each is hashed once while it stays."""
        self._copies.check(*names)

    def restore_inputs(self, given: Mapping[str, Path]) -> None:
        """Put lost or damaged inputs back from the files that a person has, by name; others than those are not taken."""
        names = {path: name for name, path in self.input_paths.items()}
        for path, _, digest in self.find_input_flaws():
            with self.lock():
                publish.make_folder(path.parent)
                copy_input(given[names[path]], path, digest)
            log.warning("input_restored", path=str(path))

    @cached_property
    def _copies(self) -> InputCopies:
        return InputCopies(lambda: self.input_paths, self.spec.input_digests)

    @property
    def fingerprint(self) -> Fingerprint:
        """The numerics that the next clip is made under: those of the last joint, if there is one."""
        return self.fingerprint_at(self.spec.clips)

    def fingerprint_at(self, clip: int) -> Fingerprint:
        """The numerics that a clip was made under; of -1, those that the run was begun with."""
        joints = [joint for joint in self.joints if joint["clip"] <= clip]
        numerics: Fingerprint = (joints[-1] if joints else self._facts)["fingerprint"]
        return numerics

    def update_settings(self, settings: Settings, sources: Mapping[str, str]) -> None:
        """Put other settings in place of the present ones, durably; spec and fingerprint stay."""
        self._update(settings=asdict(settings), sources=dict(sources))

    def accept_joint(self, clip: int, fingerprint: Fingerprint) -> None:
        """Record, durably, that the film goes on from this clip under other numerics."""
        joint = {"clip": clip, "fingerprint": dict(fingerprint)}
        self._update(joints=[*self.joints, joint])

    def record_numerics(self, fingerprint: Fingerprint) -> None:
        """Add to the present fingerprint, durably, what it does not tell yet: a run of an older version was asked less."""
        whole = {**fingerprint, **self.fingerprint}
        if whole == dict(self.fingerprint):
            return
        if self.joints:
            *before, last = self.joints
            self._update(joints=[*before, {**last, "fingerprint": whole}])
        else:
            self._update(fingerprint=whole)

    @contextmanager
    def lock(self) -> Iterator[str | None]:
        """Hold the run; gives the dead process that had held it, if one had (see storage/lock.py)."""
        with hold_lock(self.root) as before:
            yield before

    @property
    def is_untouched(self) -> bool:
        """True of a run that this process has made in an empty folder, while it has no record: nothing in it can be a crash's, or damaged."""
        records = self.records.folder
        return self._created and records.is_dir() and not any(records.iterdir())

    def sweep(self) -> int:
        """Remove drafts and orphans of a crash, set run.json and present(clip) right; how many were removed. Only under the lock."""
        assert is_held(self.root), "sweeping without the lock would remove another's drafts"
        for path in find_obstacles(self):
            log.warning("set_aside", path=str(path))
            publish.set_aside(path)
        for folder in (*FOLDERS, *layout.array_layouts(self.spec)):
            publish.make_folder(path_inside(self.root, folder))
        self.restore_run_files()
        count = (
            drafts.sweep_drafts(self.root, OWN)
            + self.carry.sweep()
            + self.frames.sweep()
            + self.steps.sweep()
        )
        self.presence.rebuild()
        forget_beginning(self.root)
        return count

    def join_context(self, join: int) -> NamedArrays:
        """What a join was made of, which the film no longer shows: `latents` before it, as the decoder saw them; `motion`, where a clip takes that."""
        return NamedArrays(
            path_inside(self.root, "past", f"{join:05d}"),
            self.records,
            "past",
            join,
            self.spec.largest_piece,
        )

    def segment_path(self, clip: int) -> Path:
        """The file of a clip as encoded video."""
        return path_inside(self.root, "segments", segment_name(clip))

    def verified_path(self, stage: str, clip: int | None = None) -> Path:
        """A segment, the soundtrack or the film as its record has it, the hash checked. Raises NotMade or Damaged."""
        paths = {"soundtrack": self.soundtrack_path, "video": self.video_path}
        path = self.segment_path(clip) if clip is not None else paths[stage]
        name = stage if clip is None else f"The {stage} of clip {clip}"
        facts = self.records.vouched(stage, clip)
        if facts is None:
            raise NotMade(name)
        if (flaw := find_file_flaw(path, facts["bytes"], facts["sha256"])) is not None:
            raise Damaged(name, f"{path} {flaw}")
        return path

    @property
    def input_paths(self) -> dict[str, Path]:
        """The run's copies of its inputs, by the names of their hashes in the spec."""
        told = self._facts["inputs"].items()
        return {name: path_inside(self.root, place) for name, place in told}

    @property
    def image_path(self) -> Path:
        """The run's copy of the picture."""
        return path_inside(self.root, self._facts["inputs"]["image"])

    @property
    def audio_path(self) -> Path:
        """The run's copy of the sound."""
        return path_inside(self.root, self._facts["inputs"]["audio"])

    @property
    def sound_files(self) -> list[tuple[Path, Reading]]:
        """The run's copy of each sound, and how it is read: one, or one of each of several speakers."""
        paths = self.input_paths
        return [(paths[name], reading) for name, (_, reading) in self.spec.sounds.items()]

    @property
    def sound(self) -> AudioArray:
        """The film's sound, as the model hears it."""
        return self.sounds[max(self.sounds)]

    def film_sound(self, last: int | None = None) -> FilmSound:
        """What the film sounds like; or one of its sounds, by its number."""
        paths, dubs = self.input_paths, self.spec.dubs.items()
        stretches = (
            DubbedStretch(
                paths[f"dub{number}"],
                Reading(dub.silence, dub.mix, dub.gain),
                dub.start,
                dub.stop,
            )
            for number, dub in dubs
            if last is None or number <= last
        )
        return FilmSound(self.sound_files, tuple(stretches))

    @property
    def soundtrack_path(self) -> Path:
        """The file of the whole sound as AAC."""
        return path_inside(self.root, "soundtrack.m4a")

    @property
    def video_path(self) -> Path:
        """The file of the film."""
        return path_inside(self.root, "video.mp4")

    @property
    def reserve_path(self) -> Path:
        """The file whose room is held back for the film."""
        return path_inside(self.root, "reserve.bin")

    @property
    def events_path(self) -> Path:
        """The file of events, a line of JSON each."""
        return path_inside(self.root, "events.jsonl")

    @property
    def log_path(self) -> Path:
        """The file of the log that a person reads."""
        return path_inside(self.root, "inference.log")

    @classmethod
    def _open_same(cls, root: Path, start: NewRun) -> Self:
        run = cls.open(root)
        if run.spec != start.spec:
            raise OtherSpec(root, describe_spec_difference(run.spec, start.spec))
        return run

    def _update(self, **facts: Any) -> None:
        whole = {**self._facts, **facts}
        run_json.save_run_json(self.root, whole)
        self.__init__(self.root, whole)  # type: ignore[misc]


def read_begun_spec(root: Path) -> Spec | None:
    """The spec of a run that is being given what it shares with another, or was when a crash came."""
    facts = None if is_run(root) else run_json.read_file(root, BEGUN)[0]
    return Spec.from_facts(facts["spec"]) if facts else None


def _why_no_run(root: Path) -> str:
    if not root.is_dir():
        return "it is a file" if root.exists() else "there is no such folder"
    return UNFINISHED if is_begun(root) else "it has no run.json"
