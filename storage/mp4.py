"""A new mp4 file, published whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import NotWritable
from storage.publish import FULL, publish

if TYPE_CHECKING:
    from av.container import OutputContainer


@contextmanager
def create(target: Path, *, units: int, **options: str) -> Iterator["OutputContainer"]:
    """A container to write into, that becomes `target`. Its edit lists count in `units` a second.

    By default they count in milliseconds, and every length would be rounded to them.
    """
    import av

    options["movie_timescale"] = str(units)
    with publish(target) as draft:
        # Absolute: libav takes "at 12:30.mp4" for a protocol.
        name = str(draft.absolute())
        try:
            with av.open(name, "w", format="mp4", options=options) as container:
                yield container
        except av.FFmpegError as error:
            # What is read meanwhile speaks for itself, so this is the writing; publish knows a full disk.
            if error.errno in FULL:
                raise
            raise NotWritable(target, error.strerror) from error
