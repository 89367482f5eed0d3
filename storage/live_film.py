"""The live film in a run's folder: an HLS event playlist of fragments, and one fragmented mp4 that grows.

    RUN/live/film.m3u8          grows by two lines a clip; EVENT, and VOD once the film is whole
    RUN/live/init.mp4           the header of all fragments
    RUN/live/00017-5a0c….m4s    a clip with its sound; the name has the start of its segment's hash, so that other bytes have another name
    RUN/live/film.mp4           header and fragments in a row (--grow)

A fragment is published whole and durable before the playlist names it. The playlist and the growing film are appended to: their end may be torn by a
crash, and both are set right from the fragments when the run is opened again.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storage.fragment import ClipTimes, Fragment
from storage.live_playlist import END, GROWING, HEADER, PLAYLIST, SUFFIX, describe_playlist
from storage.names import LIVE
from storage.publish import make_folder, publish_bytes, remove_path
from storage.run_paths import append_bytes, open_own, path_inside

if TYPE_CHECKING:
    from storage.run import Run
    from storage.spec import Spec

KEY = 12
"""Characters of a segment's hash in the name of its fragment."""


@dataclass(frozen=True)
class LiveClip:
    """An entry of the playlist."""

    times: ClipTimes
    digest: str
    """SHA-256 of the clip's segment."""

    @property
    def name(self) -> str:
        """The file of its fragment."""
        return f"{self.times.clip:05d}-{self.digest[:KEY]}{SUFFIX}"

    @property
    def lines(self) -> str:
        """What the playlist says of it."""
        return f"#EXTINF:{float(self.times.seconds):.6f},\n{self.name}\n"


def find_live_clip(run: "Run", clip: int) -> LiveClip | None:
    """The entry of a clip; None where its segment is not made."""
    spec, facts = run.spec, run.records.vouched("segment", clip)
    if facts is None:
        return None
    times = ClipTimes(clip, spec.fps, clip * spec.clip_frames, spec.frames_in(clip))
    return LiveClip(times, str(facts["sha256"]))


def find_live_clips(run: "Run") -> Iterator[LiveClip]:
    """The entries of the clips from the first one to the first one that is missing."""
    for clip in range(run.spec.clips):
        if (entry := find_live_clip(run, clip)) is None:
            return
        yield entry


def measure_longest_clip(spec: "Spec") -> float:
    """Seconds of the longest clip of a film."""
    return min(spec.clip_frames, spec.frames) / spec.fps


def write_playlist_text(longest: float, clips: Iterable[LiveClip], *, whole: bool) -> bytes:
    """The playlist of these clips, the longest of the film being so many seconds; that of a film that goes on, or of a `whole` one."""
    kind, end = ("VOD", END) if whole else ("EVENT", "")
    entries = "".join(clip.lines for clip in clips)
    return f"{describe_playlist(longest, kind)}{entries}{end}".encode()


class LiveFolder:
    """The folder of a live film that one process writes."""

    def __init__(self, root: Path, longest: float, *, growing: bool) -> None:
        """`longest`: seconds of the longest clip."""
        self._root, self._growing = root, growing
        self._longest = longest
        self.clips = 0
        """Entries of the playlist."""

    @property
    def playlist(self) -> Path:
        """The playlist's file."""
        return self._path(PLAYLIST)

    def restore(self, clips: Iterable[LiveClip], total: int) -> None:
        """Keep the entries of these clips, in order, as far as their fragments are there; those of others go. A film of `total` clips is whole.

        Playlist and growing film are written anew where they differ.
        """
        make_folder(self._path())
        kept = list(self._find_fragments(clips))
        self.clips = len(kept)
        self._remove_others({clip.name for clip in kept})
        self._write_playlist(kept, whole=len(kept) == total)
        if self._growing:
            parts = [HEADER, *(clip.name for clip in kept)] if kept else []
            restore_growing(self._path(GROWING), (self._path(name) for name in parts))

    def add_clip(self, clip: LiveClip, fragment: Fragment) -> None:
        """Publish the next clip."""
        assert clip.times.clip == self.clips, "clips come one after the other"
        first = not self.clips
        if first:
            publish_bytes(self._path(HEADER), fragment.header)
        publish_bytes(self._path(clip.name), fragment.media)
        append_bytes(self._path(PLAYLIST), clip.lines.encode())
        if self._growing:
            head = fragment.header if first else b""
            append_all(self._path(GROWING), head + fragment.media)
        self.clips += 1

    def finish(self, clips: Iterable[LiveClip]) -> bool:
        """Make the playlist that of a whole film, of all its clips; False where it was that already."""
        return self._write_playlist(clips, whole=True)

    def _path(self, *names: str) -> Path:
        return path_inside(self._root, LIVE, *names)

    def _find_fragments(self, clips: Iterable[LiveClip]) -> Iterator[LiveClip]:
        if not self._path(HEADER).is_file():
            return
        for clip in clips:
            if not self._path(clip.name).is_file():
                return
            yield clip

    def _remove_others(self, kept: set[str]) -> None:
        for path in self._path().glob(f"*{SUFFIX}"):
            if path.name not in kept:
                remove_path(path)

    def _write_playlist(self, clips: Iterable[LiveClip], *, whole: bool) -> bool:
        text = write_playlist_text(self._longest, clips, whole=whole)
        if self.playlist.is_file() and self.playlist.read_bytes() == text:
            return False
        publish_bytes(self.playlist, text)
        return True


def restore_growing(film: Path, parts: Iterable[Path]) -> None:
    """Let a growing film be these parts in a row: what differs, from the first byte on, and a torn end are written anew."""
    file = open_own(film, os.O_RDWR | os.O_CREAT)
    try:
        size, same = 0, True
        for part in parts:
            content = part.read_bytes()
            same = same and os.pread(file, len(content), size) == content
            if not same:
                _write_at(file, content, size)
            size += len(content)
        os.ftruncate(file, size)
    finally:
        os.close(file)


def append_all(path: Path, content: bytes) -> None:
    """Add bytes to the end of a file, all of them. Raises OSError."""
    file = open_own(path, os.O_WRONLY | os.O_CREAT)
    try:
        _write_at(file, content, os.fstat(file).st_size)
    finally:
        os.close(file)


def _write_at(file: int, content: bytes, position: int) -> None:
    left = memoryview(content)
    while left:
        written = os.pwrite(file, left, position)
        left, position = left[written:], position + written
