"""storage/mp4.py and storage/media_file.py: whatever fails while libav writes or reads, the file is whole or is not there."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from recording import clicks, numbered, write_segments, write_sound

from storage.errors import LongtakeError, NoSpace, NotReadable, NotWritable
from storage.film_file import FilmSpan, mux_film
from storage.media_file import DiskFile
from storage.segments import EncoderConfig, encode_h264
from storage.soundtrack import encode_soundtrack

SPAN = FilmSpan(25, 12, 30)
Make = Callable[[Path], None]


@pytest.fixture
def makers(tmp_path: Path) -> dict[str, Make]:
    """How a soundtrack and a film of three clips are made; what they are made of is there."""
    sound = write_sound(tmp_path / "sound.wav", clicks(44_100, 1.2), 44_100, "pcm_s16le")
    segments = write_segments(tmp_path, 30, 12, 25)
    encode_soundtrack(sound, tmp_path / "soundtrack.m4a")
    return {
        "again.m4a": lambda path: encode_soundtrack(sound, path),
        "film.mp4": lambda path: mux_film(path, segments, tmp_path / "soundtrack.m4a", SPAN),
    }


@contextmanager
def failing(call: str, number: int, fault: BaseException | int) -> Iterator[list[int]]:
    """The so-many-th call of os.<call> fails, once; how many there were."""
    real, count = getattr(os, call), [0]

    def once(*words: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] == number:
            raise fault if isinstance(fault, BaseException) else OSError(fault, os.strerror(fault))
        return real(*words, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, call, once)
        yield count


@pytest.mark.parametrize("name", ["again.m4a", "film.mp4"])
@pytest.mark.parametrize("call", ["pwrite", "pread", "fstat", "close", "open", "fsync"])
def test_each_call_that_fails_once_is_told_and_leaves_the_older_file(
    tmp_path: Path, makers: dict[str, Make], name: str, call: str
) -> None:
    """Every write, read and close of the file that libav writes, of those that it reads, and of their folder; the next try gives the same bytes."""
    target = tmp_path / "made" / name
    target.parent.mkdir()
    makers[name](target)
    whole = target.read_bytes()
    with failing(call, 0, 0) as count:
        makers[name](target)
    assert count[0]
    for number in range(1, count[0] + 1):
        for fault in (errno.EIO, errno.ENOSPC):
            target.write_bytes(b"older")
            with suppress(LongtakeError), failing(call, number, fault):
                makers[name](target)
                # A failure to close what was read, or to look up a name, is none.
                assert target.read_bytes() == whole
            assert target.read_bytes() in (whole, b"older")
            assert [path.name for path in target.parent.iterdir()] == [name]


@pytest.mark.parametrize("name", ["again.m4a", "film.mp4"])
def test_what_a_disk_loses_in_silence_is_found_when_it_is_read_back(
    tmp_path: Path, makers: dict[str, Make], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that says that it was done and was not, or that fell elsewhere, of the packets and of the index alike."""
    with failing("pwrite", 0, 0) as count:
        makers[name](tmp_path / name)
    real, left, astray = DiskFile._write_at, [0], [0]

    def write(self: DiskFile, data: bytes, at: int) -> None:
        left[0] -= 1
        if left[0] or astray[0]:
            real(self, data, at + (0 if left[0] else astray[0]))

    monkeypatch.setattr(DiskFile, "_write_at", write)
    for astray[0] in (0, 3):
        for left[0] in range(1, count[0] + 1):
            (tmp_path / name).write_bytes(b"older")
            with pytest.raises(NotWritable, match=f"{name}.*reads back otherwise"):
                makers[name](tmp_path / name)
            assert (tmp_path / name).read_bytes() == b"older"


def test_a_signal_in_a_write_is_not_lost(tmp_path: Path, makers: dict[str, Make]) -> None:
    """PyAV drops it, and the bytes with it."""
    with pytest.raises(KeyboardInterrupt), failing("pwrite", 2, KeyboardInterrupt()):
        makers["film.mp4"](tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


def test_what_cannot_be_read_is_named(tmp_path: Path, makers: dict[str, Make]) -> None:
    """A segment that the disk does not give is no damaged segment, and no end of the film."""
    makers["film.mp4"](tmp_path / "film.mp4")
    found = set()
    for number in range(1, 30):
        with failing("pread", number, errno.EIO), suppress(NotWritable):
            try:
                makers["film.mp4"](tmp_path / "film.mp4")
            except NotReadable as error:
                found.add(Path(error.args[0]).name)
    assert found == {"00000.mp4", "00001.mp4", "00002.mp4", "soundtrack.m4a"}


def test_a_segment_without_memory_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made in memory: what fails there is told, too."""

    def none(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("storage.media_file.MemoryFile._write_at", none)
    with pytest.raises(MemoryError):
        encode_h264(numbered(1, 3), EncoderConfig(25, 18, "veryfast"))


def test_a_full_disk_is_told_as_full(tmp_path: Path, makers: dict[str, Make]) -> None:
    """While the index is moved before the packets, too."""
    for number in (1, 3):
        with pytest.raises(NoSpace), failing("pwrite", number, errno.ENOSPC):
            makers["film.mp4"](tmp_path / "film.mp4")
