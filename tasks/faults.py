"""What went wrong: whether the same again may go well, and whether it was room or the device."""

import errno

from storage.disk import DISK_FULL_ERRORS, PASSING_ERRORS, SHORT
from storage.errors import (
    BadInput,
    ModelError,
    NoSpace,
    NotReadable,
    NotWritable,
    RankLost,
    RunError,
)
from storage.refusals import is_out_of_memory, iterate_causes

DEVICE_LOST_WORDS = ("cuda error", "device-side assert", "cudnn_status_", "cublas_status_")


def is_transient(fault: BaseException) -> bool:
    """True if the same again may go well."""
    numbers = {getattr(each, "errno", None) for each in iterate_causes(fault)}
    if numbers & {*DISK_FULL_ERRORS, errno.EROFS, errno.EFBIG}:
        return False
    if isinstance(fault, NotWritable | NotReadable):
        return bool(numbers & {*PASSING_ERRORS, *SHORT})
    return not isinstance(fault, RunError | BadInput | ModelError | RankLost)


def is_disk_full(fault: BaseException) -> bool:
    """True if the disk, or the share of it, is full."""
    return isinstance(fault, NoSpace) or getattr(fault, "errno", None) in DISK_FULL_ERRORS


def is_device_lost(fault: BaseException) -> bool:
    """True if the device is unusable for this process: after most CUDA errors every later call fails, too."""
    told = " ".join(
        str(each).lower() for each in iterate_causes(fault) if isinstance(each, RuntimeError)
    )
    return not is_out_of_memory(fault) and any(word in told for word in DEVICE_LOST_WORDS)
