"""stdout and stderr, whatever they are: closed, full, given up by their reader, or unable to show a letter."""

import codecs
import errno
import io
import os
import select
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ERROR_HANDLER = "longtake.likeness"
"""The error handler of our streams: what an encoding lacks is shown by what is like it."""
_LIKE = {
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "×": "x",
    "≥": ">=",
    "≤": "<=",
    "°": "",
    "✓": "v",
    "▀": '"',
} | dict(zip("▁▂▃▄▅▆▇█", "_.-=+*%#", strict=True))
_BRAILLE = range(0x2800, 0x2900)


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Write to stdout and stderr without a fault meanwhile: what is lost is lost, and `loss_of` says why.

    A closed stream stands for /dev/null. A letter that the encoding lacks becomes one that is like it.
    """
    codecs.register_error(ERROR_HANDLER, replace_letter)
    _open_closed()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _guard_stream(sys.stdout, 1), _guard_stream(sys.stderr, 2)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def loss_of(stream: TextIO) -> OSError | None:
    """Why nothing that is written to this stream arrives any more; None as long as it does."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw.loss if isinstance(raw, _Unfailing) else None


def is_read(stream: TextIO) -> bool:
    """True if somebody may still read what is written to this stream."""
    if loss_of(stream) is not None:
        return False
    asked = select.poll()
    try:
        asked.register(stream.fileno(), 0)
    except (OSError, AttributeError):
        return True
    return not any(told & (select.POLLERR | select.POLLHUP) for _, told in asked.poll(0))


def replace_letter(error: UnicodeError) -> tuple[str | bytes, int]:
    """Codec error handler: a letter that the encoding lacks becomes one that is like it; a byte of a file name that is no letter stays as it is."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letter, after = error.object[error.start], error.start + 1
    if "\udc80" <= letter <= "\udcff":
        return letter.encode("ascii", "surrogateescape"), after
    if ord(letter) in _BRAILLE:
        return "*", after
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return _LIKE.get(letter, plain or "?"), after


class _Unfailing(io.FileIO):
    """A raw file that takes everything: once a write has failed, all of it goes to /dev/null."""

    loss: OSError | None = None

    def write(self, data: "ReadableBuffer") -> int:
        """Write the bytes; how many were taken."""
        try:
            while (count := super().write(data)) is None:
                # Somebody made the pipe non-blocking: wait, as for any other.
                select.select([], [self], [])
        except OSError as error:
            self.loss = error
            self._give_up()
            return memoryview(data).nbytes
        return count

    def _give_up(self) -> None:
        # The descriptor and not this object alone: C libraries and Python's own last flush write to it, too.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def _open_closed() -> None:
    """Open closed descriptors 0 to 2: else the first file that is opened would get the number that libraries write to."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            os.open(os.devnull, os.O_RDWR)


def _guard_stream(stream: TextIO | None, number: int) -> TextIO:
    """A stream in place of this one whose writes never fail; one that is no file (a test's, a notebook's) is given back and only shows what it can."""
    if stream is None:
        return _wrap_descriptor(number, "utf-8", by_line=True)
    try:
        number = stream.fileno()
    except (OSError, AttributeError):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERROR_HANDLER)
        return stream
    stream.flush()
    # With PYTHONUNBUFFERED nothing waits for the end of a line; here each line goes out, too.
    by_line = stream.line_buffering or getattr(stream, "write_through", False)
    return _wrap_descriptor(number, stream.encoding, by_line=bool(by_line))


def _wrap_descriptor(number: int, encoding: str, *, by_line: bool) -> TextIO:
    file = io.BufferedWriter(_Unfailing(number, "wb", closefd=False))
    return io.TextIOWrapper(file, encoding, ERROR_HANDLER, line_buffering=by_line)
