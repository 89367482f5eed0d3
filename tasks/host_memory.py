"""How much memory this host has, and how much this program has taken."""

import resource
from pathlib import Path


def host_bytes_peak() -> int:
    """The most memory that this program has taken.

    Linux' ru_maxrss also counts what the process was before it became this program: a large one that starts us would be told as ours.
    """
    try:
        told = Path("/proc/self/status").read_text(encoding="utf-8").partition("VmHWM:")[2]
        return int(told.split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def host_bytes_free() -> int | None:
    """Memory of this machine (or of the container's share of it) that can be had now; None where nobody says."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(
            int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")
        )
    except (OSError, StopIteration, ValueError):
        return None
    group = Path("/sys/fs/cgroup")
    try:
        share = int((group / "memory.max").read_text(encoding="utf-8")) - int(
            (group / "memory.current").read_text(encoding="utf-8")
        )
    except (OSError, ValueError):  # no such group, or no limit
        return free
    return min(free, share)
