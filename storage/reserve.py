"""Room that is held back in a file, so that what must come last finds it (docs/adr/0008)."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from storage.disk import DISK_FULL_ERRORS, describe_shortage
from storage.errors import NoSpace, NotWritable
from storage.publish import remove_path
from storage.run_paths import open_plain

STEP_BYTES = 1 << 20
NOT_SUPPORTED_ERRORS = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


class DiskReserve:
    """A file of nothing that holds room on the disk. It is no part of the film: whoever deletes it takes a risk, and no clip."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def size(self) -> int:
        """Bytes that the reserve holds; a file with holes holds nothing."""
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return 0
        return found.st_size if found.st_blocks * 512 >= found.st_size else 0

    def hold(self, size: int) -> None:
        """Hold exactly `size` bytes. Raises NoSpace, NotWritable, and then holds what it held."""
        self._unlink_shared()
        there = self.size
        try:
            file = open_plain(self.path, os.O_RDWR | os.O_CREAT)
            try:
                os.ftruncate(file, min(there, size))
                if size > there:
                    _grow_file(file, there, size)
            finally:
                os.close(file)
        except OSError as error:
            if error.errno in DISK_FULL_ERRORS:
                raise NoSpace(describe_shortage(self.path.parent, size - there)) from error
            raise NotWritable(self.path, error.strerror) from error

    def _unlink_shared(self) -> None:
        """Remove the file where it has another name elsewhere: that one would be made longer or shorter."""
        with suppress(FileNotFoundError):
            if self.path.lstat().st_nlink > 1:
                remove_path(self.path)

    def release(self) -> None:
        """Give the room back, for what it was held for."""
        remove_path(self.path)


def _grow_file(file: int, there: int, size: int) -> None:
    try:
        _allocate_blocks(file, there, size)
    except OSError:
        os.ftruncate(file, there)
        raise


def _allocate_blocks(file: int, there: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, there, size - there)
        except OSError as error:
            if error.errno not in NOT_SUPPORTED_ERRORS:
                raise
        else:
            return
    nothing = bytes(STEP_BYTES)
    while there < size:
        there += os.pwrite(file, nothing[: size - there], there)
