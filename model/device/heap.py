"""Memory that a process has let go of, given back to the system and the device. Without torch."""

import ctypes
import gc
import sys
from contextlib import suppress


def release_memory() -> None:
    """Give back what nothing uses any more; torch is left alone where nobody has imported it."""
    gc.unfreeze()  # tasks.luigi_batches.release_luigi_memory has put them out of sight
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    trim_heap()


def trim_heap() -> None:
    """Give the system what was freed: glibc keeps pieces of up to 32 MB, of which a model's weights have thousands."""
    with suppress(OSError, AttributeError):  # another system's library
        ctypes.CDLL(None).malloc_trim(0)
