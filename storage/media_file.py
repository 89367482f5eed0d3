"""The file that libav reads or writes through: it loses no failure of the disk.

libav ignores a seek that fails while it finishes an mp4, and takes a read that fails for the end of the file; PyAV drops what is no `Exception`, as the
signal that stops us. So nothing is ever raised into libav: the first failure is kept, and raised when libav has ended. No call depends on where the
system's own file stands, either: each names its place.
"""

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from storage.disk import ABSENT
from storage.errors import NotReadable

if TYPE_CHECKING:
    from av.container import InputContainer

T = TypeVar("T")


class MediaFile(ABC):
    """A file object for `av.open`. After its first failure it reads as ended and writes to nowhere, until `raise_failure`."""

    def __init__(self, name: str) -> None:
        self.name = name
        """libav goes by its suffix, where it guesses a format."""
        self._failures: list[BaseException] = []
        self._position = 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes from the position on; empty at the end."""
        data = self._try(lambda: self._read_at(size, self._position), b"")
        self._position += len(data)
        return data

    def write(self, data: bytes) -> int:
        """Write all of the bytes at the position; how many there were."""
        self._try(lambda: self._write_at(data, self._position), None)
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position, `offset` bytes from the beginning, from here or from the end; the new position."""
        end = self._try(self._size, 0) if whence == os.SEEK_END else 0
        self._position = max((0, self._position, end)[whence] + offset, 0)
        return self._position

    def tell(self) -> int:
        """The position in bytes from the beginning."""
        return self._position

    def reopen(self, *_: object) -> Self:
        """A second view of this file, from its beginning, for libav to move the index before the packets (`io_open`). A failure of one is the other's."""
        other = copy.copy(self)
        other._position = 0
        return other

    def raise_failure(self, after: BaseException | None = None) -> None:
        """Raise the first failure, if there was one; `after` is what libav made of it."""
        for failure in self._failures:
            if failure is after:  # else it would be its own cause
                raise failure
            raise failure from after

    @contextmanager
    def failures_raised(self) -> Iterator[None]:
        """Raise the first failure of the disk in place of what libav makes of it, or where libav makes nothing of it."""
        try:
            yield
        except Exception as error:
            self.raise_failure(error)
            raise
        self.raise_failure()

    def _try(self, call: Callable[[], T], otherwise: T) -> T:
        if self._failures:
            return otherwise
        try:
            return call()
        except BaseException as failure:  # noqa: BLE001 - a signal's too: PyAV would drop it
            self._failures.append(failure)
            return otherwise

    @abstractmethod
    def _read_at(self, size: int, position: int) -> bytes: ...

    @abstractmethod
    def _write_at(self, data: bytes, position: int) -> None: ...

    @abstractmethod
    def _size(self) -> int: ...


class DiskFile(MediaFile):
    """A file on the disk."""

    def __init__(self, path: Path, descriptor: int) -> None:
        # Absolute: libav takes "at 12:30.mp4" for a protocol.
        super().__init__(str(path.absolute()))
        self._descriptor = descriptor

    def _read_at(self, size: int, position: int) -> bytes:
        return os.pread(self._descriptor, size, position)

    def _write_at(self, data: bytes, position: int) -> None:
        left = memoryview(data)
        while left:
            written = os.pwrite(self._descriptor, left, position)
            left, position = left[written:], position + written

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size


class GappedFile(DiskFile):
    """A file on the disk of which some bytes are passed over as if they were not there. Only to be read."""

    def __init__(self, path: Path, descriptor: int, gaps: Sequence[range]) -> None:
        super().__init__(path, descriptor)
        self._gaps = gaps

    def _read_at(self, size: int, position: int) -> bytes:
        for gap in self._gaps:
            if position < gap.start:
                size = min(size, gap.start - position)
                break
            position += len(gap)
        return super()._read_at(size, position)

    def _size(self) -> int:
        return super()._size() - sum(map(len, self._gaps))


class MemoryFile(MediaFile):
    """A file in memory: for one clip, never for a film."""

    def __init__(self) -> None:
        super().__init__("")
        self.content = bytearray()

    def _read_at(self, size: int, position: int) -> bytes:
        return bytes(self.content[position : position + size])

    def _write_at(self, data: bytes, position: int) -> None:
        self.content.extend(bytes(max(position - len(self.content), 0)))
        self.content[position : position + len(data)] = data

    def _size(self) -> int:
        return len(self.content)


MOST_PIXELS = 1 << 26
"""Of a frame that is decoded: a picture of a few kilobytes may say that it has any number."""
BOUNDED = {
    "max_pixels": str(MOST_PIXELS),
    # A playlist by any name would have other files opened, and other machines asked.
    "protocol_whitelist": "none",
}


@contextmanager
def open_disk_file(path: Path) -> Iterator[DiskFile]:
    """A file to read bytes from, wherever they stand. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield DiskFile(path, descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def open_media(
    path: Path, kind: str | None = None, gaps: Sequence[range] = ()
) -> Iterator["InputContainer"]:
    """A file for libav to read, in the format of this name or one that it guesses; without the bytes of `gaps`.

    Nothing but this file is read, and no frame is larger than MOST_PIXELS.

    Raises FFmpegError or OSError where there is no such file, and NotReadable where it cannot be read, at the latest when it is left.
    """
    with ExitStack() as stack:
        with reading_named(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(_close_read, descriptor)
            file = GappedFile(path, descriptor, gaps) if gaps else DiskFile(path, descriptor)
            container = stack.enter_context(_open_container(file, kind))
        try:
            yield container
        except Exception as error:
            with reading_named(path):
                file.raise_failure(error)
            raise
        with reading_named(path):
            file.raise_failure()


@contextmanager
def _open_container(file: MediaFile, kind: str | None) -> Iterator["InputContainer"]:
    import av

    with file.failures_raised():
        # Tags are in any encoding (Latin-1 in old WAV and MP3), and nothing is asked of them.
        container = av.open(file, "r", kind, BOUNDED, metadata_errors="replace")
    with container:
        for stream in container.streams.video:
            stream.codec_context.options = {"max_pixels": BOUNDED["max_pixels"]}
        yield container


def _close_read(descriptor: int) -> None:
    with suppress(OSError):  # all that was wanted of it has been read
        os.close(descriptor)


@contextmanager
def reading_named(path: Path) -> Iterator[None]:
    """Raise NotReadable, with the file's name, where the system fails to read it."""
    try:
        yield
    except OSError as error:
        if error.errno in ABSENT:
            raise
        raise NotReadable(path, error.strerror) from error
