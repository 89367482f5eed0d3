"""What went wrong: whether the same again may go well, and whether it was room or the device."""

import errno

from storage.disk import FULL, PASSING, SHORT
from storage.errors import BadInput, ModelError, NoSpace, NotReadable, NotWritable, RunError
from storage.refusals import causes, ran_out

LOST = ("cuda error", "device-side assert", "cudnn_status_", "cublas_status_")


def may_pass(fault: BaseException) -> bool:
    """True if the same again may go well."""
    numbers = {getattr(each, "errno", None) for each in causes(fault)}
    if numbers & {*FULL, errno.EROFS, errno.EFBIG}:
        return False
    if isinstance(fault, NotWritable | NotReadable):
        return bool(numbers & {*PASSING, *SHORT})
    return not isinstance(fault, RunError | BadInput | ModelError)


def is_full(fault: BaseException) -> bool:
    """True if the disk, or the share of it, is full."""
    return isinstance(fault, NoSpace) or getattr(fault, "errno", None) in FULL


def lost_device(fault: BaseException) -> bool:
    """True if the device is unusable for this process: after most CUDA errors every later call fails, too."""
    told = " ".join(str(each).lower() for each in causes(fault) if isinstance(each, RuntimeError))
    return not ran_out(fault) and any(word in told for word in LOST)
