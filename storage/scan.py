"""A run's files against its records: whatever is broken is found here, by resume and by `longtake verify` alike, a clip at a time.

Quick is what every resume does before it works: records, the presence and the length of every file, the small files in whole. It costs some stats and
record reads a clip. A flipped bit that leaves a length alone is then met where the file is read, since every reader asks the hash.
Thorough reads every byte, decodes every segment and lays the film beside its segments.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from storage import layout, playback
from storage.digest import file_flaw
from storage.film import FilmSpan
from storage.lock import worker
from storage.publish import DRAFT

if TYPE_CHECKING:
    from storage.records import Facts
    from storage.run import Run

MISSING = "is missing"
_TOP = re.compile(
    r"run(\.copy)?\.json|run\.lock(\.held)?|reserve\.bin|begun\.json|events\.jsonl|inference\.log|zarr\.json|soundtrack\.m4a"
    r"|report\.html|(video|partial|part\.\d{5,}-\d{5,})\.mp4"
)
_RECORD = re.compile(r"commits/([a-z]+)(?:\.(\d{5,}))?\.json")
_CHUNK = re.compile(r"(audio|latents|steps|motion|frames)/c\.(\d+)(\.0)+")
_WHOLE = re.compile(r"(encoded|sound|(carry|past)/\d{5,}|time|present)/.*|[a-z]+/zarr\.json")
"""Files whose folder is looked at as one."""


@dataclass(frozen=True)
class Finding:
    """One file that is not as it should be."""

    stage: str
    """As in records; or `run` (run.json), `input` (a copied one), `layout` (metadata, times), `present`, `stray`."""
    clip: int | None
    path: str
    """In the run's folder."""
    flaw: str
    """What is wrong, to be read after the path."""
    damage: bool = True
    """False where it is what a crash leaves, or somebody put there: nothing has to be made again for it."""


class Scan:
    """One pass over a run. Takes no lock: what changes under the eyes is looked at twice."""

    def __init__(
        self, run: "Run", *, thorough: bool, watch: Callable[[int], None] = lambda _: None
    ) -> None:
        """`watch` is told of each clip before it is looked at."""
        self.run, self.thorough, self._watch = run, thorough, watch
        self.records = run.records
        self._bad_segments: set[int] = set()

    def findings(self) -> Iterator[Finding]:
        """What is not as it should be, in the order in which the film is made."""
        yield from _sure(self._papers)
        yield from _sure(self._inputs)
        # One further than there are records: a chunk there waits for its own.
        for clip in range(min(self.run.spec.clips, max(self._newest.values(), default=-1) + 2)):
            self._watch(clip)
            for found in _sure(lambda clip=clip: self._clip(clip)):  # type: ignore[misc]
                if found.stage in {"segment", "motion"}:
                    self._bad_segments.add(clip)
                yield found
        if self.thorough:
            yield from _sure(self._carries)
        yield from _sure(self._pasts)
        yield from _sure(self._film)
        if self.thorough:
            yield from _sure(self._present)
            yield from _sure(self._strays)

    @cached_property
    def _newest(self) -> dict[str, int]:
        """Of each stage the last clip that has a record, by the records' names."""
        newest: dict[str, int] = {}
        for path in self.records.folder.glob("*.json"):
            stage, _, clip = path.name.removesuffix(".json").partition(".")
            if clip.isdecimal() and int(clip) < self.run.spec.clips:
                newest[stage] = max(newest.get(stage, -1), int(clip))
        return newest

    def _papers(self) -> Iterator[Finding]:
        for name, flaw in self.run.paper_flaws():
            yield Finding("run", None, name, flaw)
        for name, flaw in layout.flaws(self.run.root, self.run.spec):
            yield Finding("layout", None, name, flaw)
        if self.thorough:
            for path, flaw, _ in self.run.input_flaws():
                yield Finding("input", None, self._name(path), flaw)

    def _inputs(self) -> Iterator[Finding]:
        run, begun = self.run, "latents" in self._newest
        if self.records.complete("inputs"):
            yield from self._named("inputs", run.inputs.flaws())
        else:
            yield from self._unvouched("inputs", None, run.inputs.folder, needed=begun)
        if self.records.complete("sound"):
            yield from self._named("sound", run.sound.flaws(thorough=self.thorough))
        else:
            yield from self._unvouched("sound", None, run.sound.folder, needed=begun)

    def _clip(self, clip: int) -> Iterator[Finding]:
        run = self.run
        made = run.latents.complete(clip) or run.latents.digest(clip) is not None
        shown = self.records.complete("segment", clip)
        later = clip < self._newest.get("latents", -1)
        yield from self._array("audio", clip, needed=made)
        yield from self._array("latents", clip, needed=shown or later)
        yield from self._array("steps", clip, needed=made and run.steps.chunk_path(clip).exists())
        if run.spec.motion_latents:
            yield from self._array("motion", clip, needed=shown)
        yield from self._array(
            "frames", clip, needed=shown and run.frames.chunk_path(clip).exists()
        )
        yield from self._segment(clip)

    def _array(self, stage: str, clip: int, *, needed: bool) -> Iterator[Finding]:
        array = getattr(self.run, stage)
        path, facts = array.chunk_path(clip), self.records.read(stage, clip)
        if facts is None:
            yield from self._unvouched(stage, clip, path, needed=needed)
        elif facts["state"] == "done":
            if (flaw := array.flaw(clip, thorough=self.thorough)) is not None:
                yield Finding(stage, clip, self._name(path), flaw)
        elif facts["state"] == "doubted":
            yield Finding(stage, clip, self._name(path), "was damaged, and is not made again yet")
        elif path.exists():
            yield Finding(stage, clip, self._name(path), "was pruned, and is still there", False)

    def _segment(self, clip: int) -> Iterator[Finding]:
        path, facts = self.run.segment_path(clip), self.records.read("segment", clip)
        if facts is None:
            later = path.exists() and clip < self._newest.get("segment", -1)
            needed = later or self.records.complete("video")
            yield from self._unvouched("segment", clip, path, needed=needed)
            return
        flaw = self._file_flaw(path, facts)
        if flaw is None and self.thorough:
            flaw = playback.segment_flaw(path, self.run.spec, clip)
        if flaw is not None:
            yield Finding("segment", clip, self._name(path), flaw)

    def _carries(self) -> Iterator[Finding]:
        carry = self.run.carry
        for clip in carry.clips():
            if self.records.complete("carry", clip):
                yield from self._named("carry", carry.flaws(clip), clip)
            else:
                yield from self._unvouched("carry", clip, carry.path(clip), needed=False)

    def _pasts(self) -> Iterator[Finding]:
        for join in self.run.spec.joins:
            past = self.run.past(join)
            if past.complete():
                flaws = past.flaws() if self.thorough else ()
                yield from self._named("past", flaws, join)
            else:
                needed = self.records.complete("segment", join)
                yield from self._unvouched("past", join, past.folder, needed=needed)

    def _film(self) -> Iterator[Finding]:
        run, joined = self.run, self.records.complete("video")
        for stage, path in (("soundtrack", run.soundtrack_path), ("video", run.video_path)):
            facts = self.records.read(stage)
            if facts is None:
                needed = joined or (stage == "video" and self._film_lost_its_record())
                yield from self._unvouched(stage, None, path, needed=needed)
            elif (flaw := self._file_flaw(path, facts) or self._played_flaw(stage)) is not None:
                yield Finding(stage, None, self._name(path), flaw)

    def _played_flaw(self, stage: str) -> str | None:
        """What is wrong with the soundtrack or the film for one who plays it, if all is to be looked at."""
        run = self.run
        if not self.thorough:
            return None
        if stage == "soundtrack":
            return self._sound_flaw()
        clips = range(run.spec.clips)
        segments = (
            None if clip in self._bad_segments else run.segment_path(clip) for clip in clips
        )
        whole = self.records.complete("soundtrack") and run.soundtrack_path.is_file()
        span = FilmSpan(run.spec.fps, run.spec.clip_frames, run.spec.frames)
        sound = run.soundtrack_path if whole else None
        return playback.film_flaw(run.video_path, segments, sound, span)

    def _sound_flaw(self) -> str | None:
        found = playback.sound_seconds(self.run.soundtrack_path)
        if found is None:
            return "does not play"
        if not self.run.sound.complete():
            return None
        wanted = self.run.sound.samples / self.run.sound.rate
        # Both are rounded to a whole sample from the same sound.
        if abs(float(found) - wanted) * self.run.sound.rate <= 2:
            return None
        return f"lasts {float(found):.3f} s, and the sound {wanted:.3f} s"

    def _film_lost_its_record(self) -> bool:
        # A film that is being joined has none for a moment.
        if not self.run.video_path.exists() or worker(self.run.root) is not None:
            return False
        clips = range(self.run.spec.clips)
        return all(self.records.complete("segment", clip) for clip in clips)

    def _file_flaw(self, path: Path, facts: "Facts") -> str | None:
        return file_flaw(path, facts["bytes"], facts["sha256"] if self.thorough else None)

    def _present(self) -> Iterator[Finding]:
        if worker(self.run.root) is None and (flaw := self.run.presence.flaw()) is not None:
            # It may lag behind a crash; of a finished film it may not.
            finished = self.records.complete("video")
            yield Finding("present", None, self._name(self.run.presence.path), flaw, finished)

    def _unvouched(
        self, stage: str, clip: int | None, path: Path, *, needed: bool
    ) -> Iterator[Finding]:
        """A record that cannot be read, one that must have been there, or a file that waits for its record."""
        record = self._name(self.records.path(stage, clip))
        if (flaw := self.records.flaw(stage, clip)) is not None:
            yield Finding(stage, clip, record, flaw)
        elif needed:
            yield Finding(stage, clip, record, MISSING)
        elif path.exists():
            yield Finding(stage, clip, self._name(path), "has no record yet", False)

    def _named(
        self, stage: str, flaws: Iterable[tuple[Path, str]], clip: int | None = None
    ) -> Iterator[Finding]:
        for path, flaw in flaws:
            yield Finding(stage, clip, self._name(path), flaw)

    def _strays(self) -> Iterator[Finding]:
        at_work = worker(self.run.root) is not None
        for folder, folders, names in os.walk(self.run.root):
            for name in (*names, *(each for each in folders if DRAFT.match(each))):
                path = Path(folder, name)
                if DRAFT.match(name):
                    if not at_work:
                        yield Finding(
                            "stray", None, self._name(path), "is a draft of a crash", False
                        )
                elif not self._is_known(self._name(path)):
                    yield Finding(
                        "stray", None, self._name(path), "is none of the run's files", False
                    )
            folders[:] = [each for each in folders if not DRAFT.match(each)]

    def _is_known(self, name: str) -> bool:
        if _TOP.fullmatch(name) or _WHOLE.fullmatch(name):
            return True
        run, chunk = self.run, _CHUNK.fullmatch(name) or _RECORD.fullmatch(name)
        if chunk is not None:
            return chunk[2] is None or int(chunk[2]) <= run.spec.clips
        if name.startswith("segments/"):
            clip = Path(name).stem
            return clip.isdecimal() and self._name(run.segment_path(int(clip))) == name
        mine = [run.image_path, run.audio_path, Path(run.settings.output_file or run.video_path)]
        return run.root / name in mine

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.run.root))


def _sure(look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """What is found, and still found at a second look: a run at work changes meanwhile."""
    found = list(look())
    if not found:
        return found
    again = set(look())
    return [each for each in found if each in again]
