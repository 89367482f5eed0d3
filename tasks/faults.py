"""What went wrong: in one line, whether the same again may go well, and whether it was memory or the device."""

import errno
from collections.abc import Iterator

from storage.disk import FULL, PASSING, SHORT
from storage.errors import BadInput, ModelError, NoSpace, NotReadable, NotWritable, RunError

NAMES = {"OutOfMemoryError", "MemoryError"}
TOLD = ("out of memory", "can't allocate memory", "alloc_failed", "memoryallocation")
LOST = ("cuda error", "device-side assert", "cudnn_status_", "cublas_status_")


def causes(fault: BaseException | None) -> Iterator[BaseException]:
    """The fault, what it came from, and so on."""
    while fault is not None:
        yield fault
        fault = fault.__cause__


def line_of(fault: BaseException) -> str:
    """A fault in one line."""
    words = " ".join(str(fault).split())
    return f"{type(fault).__name__}: {words}" if words else type(fault).__name__


def may_pass(fault: BaseException) -> bool:
    """True if the same again may go well."""
    numbers = {getattr(each, "errno", None) for each in causes(fault)}
    if numbers & {*FULL, errno.EROFS}:
        return False
    if isinstance(fault, NotWritable | NotReadable):
        return bool(numbers & {*PASSING, *SHORT})
    return not isinstance(fault, RunError | BadInput | ModelError)


def is_full(fault: BaseException) -> bool:
    """True if the disk, or the share of it, is full."""
    return isinstance(fault, NoSpace) or getattr(fault, "errno", None) in FULL


def ran_out(fault: BaseException) -> bool:
    """True if there was no memory, of the host or of the device; torch is not asked, only listened to."""
    return any(_is_out(each) for each in causes(fault))


def lost_device(fault: BaseException) -> bool:
    """True if the device is unusable for this process: after most CUDA errors every later call fails, too."""
    told = " ".join(str(each).lower() for each in causes(fault) if isinstance(each, RuntimeError))
    return not ran_out(fault) and any(word in told for word in LOST)


def _is_out(fault: BaseException) -> bool:
    names = {kind.__name__ for kind in type(fault).__mro__}
    if names & NAMES or getattr(fault, "errno", None) == errno.ENOMEM:
        return True
    return isinstance(fault, RuntimeError) and any(each in str(fault).lower() for each in TOLD)
