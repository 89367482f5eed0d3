"""Whether a live film is what its clips make of it: no record vouches for its files, but each follows from segments and soundtrack, so they are made again and compared."""

import hashlib
import os
from collections.abc import Container, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from storage.digest import CONTENT_CHANGED, find_file_flaw, find_size_flaw
from storage.errors import BadSegment, Damaged, NotMade
from storage.fragment import Fragment, write_fragment
from storage.live_film import LiveClip, find_live_clips, measure_longest_clip, write_playlist_text
from storage.live_playlist import END, GROWING, HEADER, PLAYLIST, SUFFIX, read_playlist
from storage.live_sound import EncodedSound
from storage.names import LIVE
from storage.run_marks import live_marks_of
from storage.run_paths import open_plain, path_inside

if TYPE_CHECKING:
    from storage.run import Run

BLOCK = 1 << 20
HEAD_BYTES, ENTRY_BYTES = 1024, 128
"""More than a playlist has, and each of its entries."""


@dataclass(frozen=True)
class LiveFlaw:
    """One file of a live film that is not as it should be."""

    path: Path
    clip: int | None
    flaw: str
    damage: bool = True
    """False for the fragment of a clip that has another by now."""


class LiveCheck:
    """One look at the live film of a run; nothing where there is none, or where the run's settings ask for none."""

    def __init__(self, run: "Run", bad_segments: Container[int], *, at_rest: bool) -> None:
        """`bad_segments`: clips whose segment is damaged, so that nothing can be compared with it. `at_rest`: nobody works on the run."""
        self._run, self._bad = run, bad_segments
        self._finished = at_rest and run.records.complete("video")

    def find_flaws(self) -> Iterator[LiveFlaw]:
        """What is not as it should be."""
        settings = self._run.settings
        if not (settings.live or settings.grow) or not self._path().is_dir():
            return
        count = len(read_playlist(self._path())[0]) if self._is_readable else 0
        entries = list(find_live_clips(self._run))
        known = len(entries) == self._run.spec.clips
        if (flaw := self._find_playlist_flaw(entries)) is not None:
            yield LiveFlaw(self._path(PLAYLIST), None, flaw)
        shown = entries if self._finished else entries[:count]
        growing = GrowingCheck(self._path(GROWING)) if settings.grow else None
        yield from self._check_fragments(shown, growing)
        whole = self._finished and known
        if growing is not None and (flaw := growing.find_flaw(whole=whole)) is not None:
            yield LiveFlaw(self._path(GROWING), None, flaw)
        yield from self._find_stale(entries)

    def _path(self, *names: str) -> Path:
        return path_inside(self._run.root, LIVE, *names)

    @property
    def _is_readable(self) -> bool:
        """True for a playlist that is there, and no larger than one of this film can be."""
        path, most = self._path(PLAYLIST), HEAD_BYTES + ENTRY_BYTES * self._run.spec.clips
        return path.is_file() and path.stat().st_size <= most

    def _find_playlist_flaw(self, entries: list[LiveClip]) -> str | None:
        path, longest = self._path(PLAYLIST), measure_longest_clip(self._run.spec)
        whole = write_playlist_text(longest, entries, whole=True)
        if not path.is_file():
            return find_size_flaw(path, len(whole)) if self._finished or entries else None
        text = path.read_bytes() if self._is_readable else b""
        if len(entries) == self._run.spec.clips and (self._finished or text == whole):
            return None if text == whole else CONTENT_CHANGED
        # Of a film that grows: a crash may tear its end. Of one that has lost a segment: what follows is not known.
        grown = write_playlist_text(longest, entries, whole=False)
        right = text.startswith(whole.removesuffix(END.encode())) or grown.startswith(text)
        return None if text and right else CONTENT_CHANGED

    def _check_fragments(
        self, shown: list[LiveClip], growing: "GrowingCheck | None"
    ) -> Iterator[LiveFlaw]:
        for entry in shown:
            clip = entry.times.clip
            fragment = None if clip in self._bad else self._make_again(entry)
            header, media = (fragment.header, fragment.media) if fragment else (None, None)
            if not clip:
                yield from self._compare(HEADER, None, header, growing)
            yield from self._compare(entry.name, clip, media, growing)
        self._closing.close()

    def _compare(
        self, name: str, clip: int | None, wanted: bytes | None, growing: "GrowingCheck | None"
    ) -> Iterator[LiveFlaw]:
        """A flaw of a file that should have this content, or any where that is not known."""
        path = self._path(name)
        if growing is not None:
            growing.add_part(wanted)
        if wanted is not None:
            flaw = find_file_flaw(path, len(wanted), hashlib.sha256(wanted).hexdigest())
        else:
            flaw = None if path.is_file() else find_size_flaw(path, 0)
        if flaw is not None:
            yield LiveFlaw(path, clip, flaw)

    def _make_again(self, entry: LiveClip) -> Fragment | None:
        """The fragment of a clip; None where its sound is not there, or it is damaged itself."""
        if self._sound is None:
            return None
        clip = entry.times.clip
        last = clip == self._run.spec.clips - 1
        try:
            heard = self._sound.read_clip(entry.times, last=last)
            segment, marks = self._run.segment_path(clip), live_marks_of(self._run)
            return write_fragment(segment, entry.times, heard, marks)
        except (BadSegment, Damaged):
            return None

    @cached_property
    def _closing(self) -> ExitStack:
        return ExitStack()

    @cached_property
    def _sound(self) -> EncodedSound | None:
        try:
            sound = EncodedSound(self._run.verified_path("soundtrack"))
        except (NotMade, Damaged):
            return None
        return self._closing.enter_context(closing(sound))

    def _find_stale(self, entries: list[LiveClip]) -> Iterator[LiveFlaw]:
        names = {entry.name for entry in entries}
        for path in sorted(self._path().glob(f"[0-9]*{SUFFIX}")):
            number = path.name.partition("-")[0]
            if path.name not in names and number.isdecimal() and int(number) < len(entries):
                yield LiveFlaw(path, None, "is of a clip that is another by now", damage=False)


class GrowingCheck:
    """A growing film against its parts, as they are told one after the other; what is behind a part that is not known is not looked at."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._there = path.stat().st_size if path.is_file() else 0
        self._digest, self._size, self._known = hashlib.sha256(), 0, True

    def add_part(self, content: bytes | None) -> None:
        """The next part; None where it is not known."""
        self._known = self._known and content is not None
        if content is not None and self._known:
            self._digest.update(content[: max(0, self._there - self._size)])
            self._size += len(content)

    def find_flaw(self, *, whole: bool) -> str | None:
        """What is wrong with it. One that is not `whole` may end within a part, as after a crash, or be a part ahead."""
        if not self._path.is_file():
            return find_size_flaw(self._path, self._size) if self._size else None
        if whole and self._known and (flaw := find_size_flaw(self._path, self._size)) is not None:
            return flaw
        found = hash_beginning(self._path, min(self._there, self._size))
        return None if found == self._digest.hexdigest() else CONTENT_CHANGED


def hash_beginning(path: Path, size: int) -> str:
    """SHA-256 of so many bytes from the beginning of a file, hex. Raises OSError."""
    digest = hashlib.sha256()
    with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
        while size and (block := file.read(min(size, BLOCK))):
            digest.update(block)
            size -= len(block)
    return digest.hexdigest()
