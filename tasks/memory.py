"""Out of memory: known by its names, answered by settings alone, and at the end by the command of a smaller film."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

from tasks.room import smaller_sizes, words

if TYPE_CHECKING:
    from storage.run import Run
    from tasks.session import Session

NAMES = {"OutOfMemoryError", "MemoryError"}
TOLD = ("out of memory", "can't allocate memory", "alloc_failed", "memoryallocation")
LOST = ("cuda error", "device-side assert", "cudnn_status_", "cublas_status_")
SMALLER = 0.75
"""How many of the pixels a smaller film has at the most."""


def causes(fault: BaseException | None) -> Iterator[BaseException]:
    """The fault, what it came from, and so on."""
    while fault is not None:
        yield fault
        fault = fault.__cause__


def ran_out(fault: BaseException) -> bool:
    """True if there was no memory, of the host or of the device; torch is not asked, only listened to."""
    return any(_is_out(each) for each in causes(fault))


def lost_device(fault: BaseException) -> bool:
    """True if the device is unusable for this process: after most CUDA errors every later call fails, too."""
    told = " ".join(str(each).lower() for each in causes(fault) if isinstance(each, RuntimeError))
    return not ran_out(fault) and any(word in told for word in LOST)


def relieve(session: "Session") -> str | None:
    """Take less memory, by one setting; which, in words. None where there is nothing left to give up.

    Never by size or steps: the film stays the one that was asked for.
    """
    run, settings = session.run, session.run.settings
    if settings.ahead and not run.spec.motion_latents:
        session.generator.restrain()
        change = "ahead"
        now = replace(settings, ahead=0)
    elif settings.offload_model is not True and session.is_on_card:
        change = "offload_model"
        now = replace(settings, offload_model=True)
    else:
        return None
    run.update_settings(now, {**run.sources, change: "out of memory"})
    session.unload(whole=change == "offload_model")
    return f"{change} {getattr(now, change)}"


def smaller_film(run: "Run", unit: int) -> str:
    """The command of the same film with fewer pixels."""
    spec, settings = run.spec, run.settings
    asked = (spec.width, spec.height)
    sizes = list(smaller_sizes(asked, unit))
    fits = [size for size in sizes if size[0] * size[1] <= SMALLER * asked[0] * asked[1]]
    if not sizes:
        return "there is none, the film is of the smallest size"
    size = (fits or sizes[-1:])[0]
    name = Path(f"{run.root}-{words(size).replace('*', 'x')}")
    options = {
        "model": spec.model,
        "weights": settings.weights,
        "lora-path-dmd": settings.lora,
        "prompt": spec.prompt,
        "size": words(size),
        "num-clip": str(spec.clips),
        "infer-frames": str(spec.clip_frames),
        "sample-steps": str(spec.steps),
        "base-seed": str(spec.seed),
        "run": str(name),
    }
    flags = [part for flag, word in options.items() if word for part in (f"--{flag}", word)]
    return join(["longtake", "new", str(run.image_path), str(run.audio_path), *flags])


def host_bytes_free() -> int | None:
    """Memory of this machine (or of the container's share of it) that can be had now; None where nobody says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None
    group = Path("/sys/fs/cgroup")
    try:
        share = int((group / "memory.max").read_text()) - int(
            (group / "memory.current").read_text()
        )
    except (OSError, ValueError):  # no such group, or no limit
        return free
    return min(free, share)


def _is_out(fault: BaseException) -> bool:
    names = {kind.__name__ for kind in type(fault).__mro__}
    if names & NAMES or getattr(fault, "errno", None) == errno.ENOMEM:
        return True
    return isinstance(fault, RuntimeError) and any(each in str(fault).lower() for each in TOLD)
