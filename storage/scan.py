"""A run's files against its records: whatever is broken is found here, by resume and by `longtake verify` alike, a clip at a time.

Quick is what every resume does before it works: records, the presence and the length of every file, the small files in whole. It costs some stats and
record reads a clip. A flipped bit that leaves a length alone is then met where the file is read, since every reader asks the hash.
Thorough reads every byte, decodes every segment and lays the film beside its segments.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from storage import layout, video_check
from storage.digest import find_file_flaw
from storage.drafts import DRAFT_NAME
from storage.errors import NotMade, Pruned
from storage.film_file import FilmSpan
from storage.live_check import LiveCheck
from storage.lock import find_worker
from storage.names import LIVE, find_clips, segment_name
from storage.strays import find_strays

if TYPE_CHECKING:
    from storage.records import Facts
    from storage.run import Run

MISSING = "is missing"
DOUBTED = "was damaged, and is not made again yet"
_MARKED_BY = (
    ": it was joined by an earlier version (`longtake resume RUN --title TEXT` joins it anew)"
)
CLIP_STAGES = ("audio", "pose", "latents", "steps", "motion", "frames", "segment")


@dataclass(frozen=True)
class Finding:
    """One file that is not as it should be."""

    stage: str
    """As in records; or `run` (run.json), `input` (a copied one), `layout` (metadata, times), `live` (of the live film), `present`, `memo`, `stray`."""
    clip: int | None
    path: str
    """In the run's folder."""
    flaw: str
    """What is wrong, to be read after the path."""
    damage: bool = True
    """False where it is what a crash leaves, or somebody put there: nothing has to be made again for it."""


class RunScan:
    """One pass over a run. Takes no lock: what looks broken is looked at twice, as a run at work changes meanwhile."""

    def __init__(
        self,
        run: "Run",
        *,
        thorough: bool,
        watch: Callable[[int], None] = lambda _: None,
        held: bool = False,
    ) -> None:
        """`watch` is told of each clip before it is looked at; `held`: the caller holds the run's lock, and makes nothing meanwhile."""
        self.run, self.thorough, self._watch, self._held = run, thorough, watch, held
        self.records = run.records
        self._bad_segments: set[int] = set()

    def findings(self) -> Iterator[Finding]:
        """Each file that is not as it should be, in the order in which the film is made."""
        yield from _confirm_twice(self._scan_run_files)
        yield from _confirm_twice(self._scan_inputs)
        # One further than there are records: a chunk there waits for its own.
        seen = [*self._newest.values(), *self._newest_file.values()]
        last = max((clip for each in seen for clip in each.values()), default=-1)
        for clip in range(min(self.run.spec.clips, last + 2)):
            self._watch(clip)
            for found in _confirm_twice(lambda clip=clip: self._scan_clip(clip)):  # type: ignore[misc]
                if found.stage in {"segment", "motion"}:
                    self._bad_segments.add(clip)
                yield found
        if self.thorough:
            yield from _confirm_twice(self._scan_carries)
        yield from _confirm_twice(self._scan_join_contexts)
        yield from _confirm_twice(self._scan_film)
        if self.thorough:
            yield from _confirm_twice(self._scan_live_film)
            yield from _confirm_twice(self._scan_memos)
            yield from _confirm_twice(self._scan_presence)
            yield from _confirm_twice(self._scan_strays)

    @property
    def _at_rest(self) -> bool:
        """True if nobody works on the run, so that a file without a record waits for none."""
        return self._held or find_worker(self.run.root) is None

    @cached_property
    def _newest(self) -> dict[str, dict[int, int]]:
        """For each stage the last clip of each stretch that has a record, by the records' names."""
        return {stage: self._last(self.records.clips_with_record(stage)) for stage in CLIP_STAGES}

    @cached_property
    def _newest_file(self) -> dict[str, dict[int, int]]:
        """For each stage the last clip of each stretch that has a file, vouched for or not."""
        run = self.run
        arrays = [run.audio, run.latents]
        arrays += [run.pose] if run.spec.pose else []
        arrays += [run.motion] if run.spec.motion_latents else []
        newest = {array.name: self._last(array.on_disk()) for array in arrays}
        segments = run.segment_path(0).parent
        there = find_clips(segments, segment_name)
        return {**newest, "segment": self._last(there)}

    def _last(self, clips: Iterable[int]) -> dict[int, int]:
        """The last of these clips in each stretch that has any; a stretch is clips that follow each other, from join to join."""
        last: dict[int, int] = {}
        for clip in clips:
            if clip < self.run.spec.clips:
                stretch = self._stretch(clip)
                last[stretch] = max(last.get(stretch, -1), clip)
        return last

    def _stretch(self, clip: int) -> int:
        return bisect_right(self.run.spec.joins, clip)

    @cached_property
    def _film_was_there(self) -> bool:
        """True if the film was joined once: by its record, or by its file where there are latents of the last clip.

        While it is joined it has no record for a moment.
        """
        if self.records.read("video") is not None:
            return True
        last = self.run.spec.clips - 1
        reached = any(
            last in each["latents"].values() for each in (self._newest, self._newest_file)
        )
        return reached and self.run.video_path.exists() and self._at_rest

    def _scan_run_files(self) -> Iterator[Finding]:
        for name, flaw in self.run.find_run_file_flaws():
            yield Finding("run", None, name, flaw)
        for name, flaw in layout.find_layout_flaws(self.run.root, self.run.spec):
            yield Finding("layout", None, name, flaw)
        if self.thorough:
            for path, flaw, _ in self.run.find_input_flaws():
                yield Finding("input", None, self._relative_name(path), flaw)

    def _scan_inputs(self) -> Iterator[Finding]:
        run, begun = self.run, bool(self._newest["latents"] or self._newest_file["latents"])
        if self.records.complete("inputs"):
            yield from self._as_findings("inputs", run.inputs.flaws())
        else:
            yield from self._scan_unrecorded("inputs", None, run.inputs.folder, needed=begun)
        for number, sound in run.sounds.items():
            if sound.complete():
                flaws = sound.flaws(thorough=self.thorough)
                yield from self._as_findings("sound", flaws, number or None)
            else:
                yield from self._scan_unrecorded(
                    "sound", number or None, sound.folder, needed=begun
                )

    def _scan_clip(self, clip: int) -> Iterator[Finding]:
        run = self.run
        made = self.records.read("latents", clip) is not None
        shown = self.records.read("segment", clip) is not None or self._film_was_there
        there = made or shown
        later = clip < self._newest["latents"].get(self._stretch(clip), -1)
        for stage in ("audio", "pose") if run.spec.pose else ("audio",):
            needed = there or self._is_orphan(stage, clip)
            yield from self._scan_array(stage, clip, needed=needed)
        yield from self._scan_array(
            "latents", clip, needed=shown or later or self._is_orphan("latents", clip)
        )
        yield from self._scan_array(
            "steps", clip, needed=there and run.steps.chunk_path(clip).exists()
        )
        if run.spec.motion_latents:
            yield from self._scan_array(
                "motion", clip, needed=shown or self._is_orphan("motion", clip)
            )
        yield from self._scan_array(
            "frames", clip, needed=shown and run.frames.chunk_path(clip).exists()
        )
        yield from self._scan_segment(clip)

    def _is_orphan(self, stage: str, clip: int) -> bool:
        """True if there is a file, and one of a later clip: then it is none that waits for its record, but one that lost it."""
        if clip >= self._newest_file[stage].get(self._stretch(clip), -1):
            return False
        run = self.run
        path = (
            run.segment_path(clip) if stage == "segment" else getattr(run, stage).chunk_path(clip)
        )
        return path.exists() and self._at_rest

    def _scan_array(self, stage: str, clip: int, *, needed: bool) -> Iterator[Finding]:
        array = getattr(self.run, stage)
        path, facts = array.chunk_path(clip), self.records.read(stage, clip)
        if facts is None:
            yield from self._scan_unrecorded(stage, clip, path, needed=needed)
        elif facts["state"] == "done":
            flaw = None
            with suppress(NotMade, Pruned):  # a run at work has given it up since
                flaw = array.flaw(clip, thorough=self.thorough)
            if flaw is not None:
                yield Finding(stage, clip, self._relative_name(path), flaw)
        elif facts["state"] == "doubted":
            yield Finding(stage, clip, self._relative_name(path), DOUBTED)
        elif path.exists():
            yield Finding(
                stage, clip, self._relative_name(path), "was pruned, and is still there", False
            )

    def _scan_segment(self, clip: int) -> Iterator[Finding]:
        path, facts = self.run.segment_path(clip), self.records.vouched("segment", clip)
        if facts is None:
            needed = self._film_was_there or self._is_orphan("segment", clip)
            yield from self._scan_unrecorded("segment", clip, path, needed=needed)
            return
        flaw = self._file_flaw(path, facts)
        if flaw is None and self.thorough:
            flaw = video_check.find_segment_flaw(path, self.run.spec, clip)
        if flaw is not None:
            yield Finding("segment", clip, self._relative_name(path), flaw)

    def _scan_carries(self) -> Iterator[Finding]:
        carry = self.run.carry
        for clip in carry.clips():
            if self.records.complete("carry", clip):
                yield from self._as_findings("carry", carry.flaws(clip), clip)
            else:
                yield from self._scan_unrecorded("carry", clip, carry.path(clip), needed=False)

    def _scan_join_contexts(self) -> Iterator[Finding]:
        for join in self.run.spec.contexts:
            past = self.run.join_context(join)
            if past.complete():
                flaws = past.flaws() if self.thorough else ()
                yield from self._as_findings("past", flaws, join)
            else:
                needed = self.records.complete("segment", join)
                yield from self._scan_unrecorded("past", join, past.folder, needed=needed)

    def _scan_film(self) -> Iterator[Finding]:
        run, joined = self.run, self._film_was_there
        for stage, path in (("soundtrack", run.soundtrack_path), ("video", run.video_path)):
            facts = self.records.vouched(stage)
            if facts is None:
                yield from self._scan_unrecorded(stage, None, path, needed=joined)
            elif (
                flaw := self._file_flaw(path, facts) or self._find_playback_flaw(stage)
            ) is not None:
                yield Finding(stage, None, self._relative_name(path), flaw)
            elif stage == "video" and self.thorough and (lacks := video_check.find_missing(path)):
                yield Finding(
                    stage, None, self._relative_name(path), f"lacks {lacks}{_MARKED_BY}", False
                )

    def _scan_live_film(self) -> Iterator[Finding]:
        check = LiveCheck(self.run, self._bad_segments, at_rest=self._at_rest)
        for each in check.find_flaws():
            path = self._relative_name(each.path)
            yield Finding(LIVE, each.clip, path, each.flaw, each.damage)

    def _find_playback_flaw(self, stage: str) -> str | None:
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
        return video_check.find_film_flaw(run.video_path, segments, sound, span)

    def _sound_flaw(self) -> str | None:
        found = video_check.measure_sound_seconds(self.run.soundtrack_path)
        if found is None:
            return "does not play"
        if not self.run.sound.complete():
            return None
        wanted = self.run.sound.samples / self.run.sound.rate
        # Both are rounded to a whole sample from the same sound.
        if abs(float(found) - wanted) * self.run.sound.rate <= 2:
            return None
        return f"lasts {float(found):.3f} s, and the sound {wanted:.3f} s"

    def _file_flaw(self, path: Path, facts: "Facts") -> str | None:
        return find_file_flaw(path, facts["bytes"], facts["sha256"] if self.thorough else None)

    def _scan_presence(self) -> Iterator[Finding]:
        presence = self.run.presence
        if self._at_rest and (flaw := presence.flaw()) is not None:
            # It may lag behind a crash; of a finished film it may not.
            lost = self._film_was_there or not presence.has_its_size
            yield Finding("present", None, self._relative_name(presence.path), flaw, lost)

    def _scan_memos(self) -> Iterator[Finding]:
        """Flaws of records that vouch for no file of the run: seams that were measured, outputs that were written."""
        seams = [("seam", clip) for clip in self.records.clips_with_record("seam")]
        outputs = [(path.stem, None) for path in self.records.folder.glob("output-*.json")]
        for stage, clip in (*seams, *outputs):
            if (flaw := self.records.flaw(stage, clip)) is not None:
                yield Finding(
                    "memo", clip, self._relative_name(self.records.path(stage, clip)), flaw
                )

    def _scan_unrecorded(
        self, stage: str, clip: int | None, path: Path, *, needed: bool
    ) -> Iterator[Finding]:
        """A record that cannot be read, one that must have been there, or a file that waits for its record."""
        record = self._relative_name(self.records.path(stage, clip))
        if self.records.doubted(stage, clip):
            yield Finding(stage, clip, self._relative_name(path), DOUBTED)
        elif (flaw := self.records.flaw(stage, clip)) is not None:
            yield Finding(stage, clip, record, flaw)
        elif needed:
            yield Finding(stage, clip, record, MISSING)
        elif path.exists():
            yield Finding(stage, clip, self._relative_name(path), "has no record yet", False)

    def _as_findings(
        self, stage: str, flaws: Iterable[tuple[Path, str]], clip: int | None = None
    ) -> Iterator[Finding]:
        for path, flaw in flaws:
            yield Finding(stage, clip, self._relative_name(path), flaw)

    def _scan_strays(self) -> Iterator[Finding]:
        for path in find_strays(self.run):
            if not DRAFT_NAME.match(path.name):
                yield Finding(
                    "stray", None, self._relative_name(path), "is none of the run's files", False
                )
            elif self._at_rest:
                yield Finding(
                    "stray", None, self._relative_name(path), "is a draft of a crash", False
                )

    def _relative_name(self, path: Path) -> str:
        return str(path.relative_to(self.run.root))


def _confirm_twice(look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """The findings of a first look that a second one still has: a run at work changes meanwhile."""
    found = list(look())
    if not found:
        return found
    again = set(look())
    return [each for each in found if each in again]
