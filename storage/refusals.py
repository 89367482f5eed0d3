"""What the system refuses a process, as an error of ours: memory, threads, open files, room, the disk."""

import errno
from collections.abc import Iterator
from pathlib import Path

from storage.disk import DISK_FULL_ERRORS, PASSING_ERRORS
from storage.errors import DiskRefused, LongtakeError, MachineLimit, NoSpace, NotReadable

MEMORY_ERROR_NAMES = {"OutOfMemoryError", "MemoryError"}
MEMORY = (
    "out of memory",
    "allocate memory",
    "alloc_failed",
    "memoryallocation",
    "unable to mmap",
    "failed to map segment",
    "bad_alloc",
)
"""What torch, the loader of libraries and C++ say."""
THREADS = ("can't start new thread", "thread creation failed", "resource temporarily unavailable")


def iterate_causes(fault: BaseException | None) -> Iterator[BaseException]:
    """The fault, what it was raised from, what that was raised from, and so on."""
    seen: list[BaseException] = []
    while fault is not None and fault not in seen:
        yield fault
        seen.append(fault)
        fault = fault.__cause__


def describe_fault(fault: BaseException) -> str:
    """A fault in one line."""
    words = " ".join(str(fault).split()).removesuffix(".")
    return f"{type(fault).__name__}: {words}" if words else type(fault).__name__


def is_out_of_memory(fault: BaseException) -> bool:
    """True if host or device had no memory, by the fault's type and words: torch is not imported for it."""
    return any(_is_memory(each) for each in iterate_causes(fault))


def machine_limit(fault: BaseException) -> MachineLimit | None:
    """The error for memory, threads or open files that the machine, or a limit of the process, refused; None if it was something else."""
    for each in iterate_causes(fault):
        if isinstance(each, MachineLimit):
            return each
        if getattr(each, "errno", None) in (errno.EMFILE, errno.ENFILE):
            return MachineLimit("open files", describe_fault(fault))
        if _is_memory(each):
            return MachineLimit("memory", describe_fault(fault))
        if _mentions(each, THREADS) or isinstance(each, BlockingIOError):
            return MachineLimit("threads, or memory for them", describe_fault(fault))
    return None


def raise_if_machine_refused(fault: BaseException) -> None:
    """Raise MachineLimit where it was the machine that refused: that says nothing of the file that was to be read."""
    if (limit := machine_limit(fault)) is not None:
        raise limit from fault


def raise_if_unreadable(path: Path, fault: BaseException) -> None:
    """Raise MachineLimit where the machine refused, NotReadable where the disk does not give an input, which nobody can make again; return where the file itself is at fault."""
    raise_if_machine_refused(fault)
    for each in iterate_causes(fault):
        if getattr(each, "errno", None) in PASSING_ERRORS:
            raise NotReadable(
                path, getattr(each, "strerror", None) or describe_fault(each)
            ) from fault


def translate_refusal(fault: BaseException) -> LongtakeError | None:
    """The error for what the machine or a disk refused (MachineLimit, NoSpace, DiskRefused); None if the fault is ours."""
    if (limit := machine_limit(fault)) is not None:
        return limit
    for each in iterate_causes(fault):
        if isinstance(each, OSError) and each.errno and not isinstance(each, ConnectionError):
            what = str(each.filename or "A file")
            return (
                NoSpace(f"{what}: {each.strerror}")
                if each.errno in DISK_FULL_ERRORS
                else DiskRefused(what, each.strerror)
            )
    return None


def _is_memory(fault: BaseException) -> bool:
    names = {kind.__name__ for kind in type(fault).__mro__}
    if names & MEMORY_ERROR_NAMES or getattr(fault, "errno", None) == errno.ENOMEM:
        return True
    return _mentions(fault, MEMORY)


def _mentions(fault: BaseException, words: tuple[str, ...]) -> bool:
    told = str(fault).lower() if isinstance(fault, RuntimeError | ImportError) else ""
    return any(each in told for each in words)
