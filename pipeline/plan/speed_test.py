"""How fast this machine and its card are, measured in a few seconds: products of matrices, the way to the host, the host itself, its libraries, and the disk of the weights."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from model.device.heap import release_memory
from model.estimates import MachineSpeed
from pipeline.upkeep.child_process import code_command, tie_to_parent

if TYPE_CHECKING:
    import torch

    from model.avatar import DeviceConfig

SIDE, H200 = 8192, 790e12
"""A product of two matrices of this side, and how many operations a second an H200 does of it."""
LINK = 1 << 28
ROUNDS = 8
LAUNCHES = 1000
READERS, PIECE, PIECES = 4, 1 << 24, 64
"""Threads that read, bytes of a piece, and how many of them: a gigabyte."""
LIBRARIES = (
    "pipeline.api",
    "model.wan.avatar",
    "diffusers.models.autoencoders.autoencoder_kl_wan",
    "transformers.models.umt5.modeling_umt5",
    "transformers.models.wav2vec2.modeling_wav2vec2",
)
WEIGHT_SUFFIXES, LARGE_FILE_BYTES = {".safetensors", ".pth"}, 1 << 30


def find_local_gpu(machine: "DeviceConfig") -> str | None:
    """The name of the GPU that a film would be made on; None where there is none."""
    if machine.device == "cpu":
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


@cache
def measure_speed(
    kind: str = "cuda", weights: str = "", side: int = SIDE, size: int = LINK
) -> MachineSpeed:
    """Measure the speed of a device, whose memory is given back, and of its host; `weights` is the folder of the weights. Once a process: it takes some ten seconds, and says so."""
    import torch

    sys.stderr.write("measuring: this machine, its card, and the disk of the weights\n")
    speed = _measure_device(torch.device(kind), weights, side, size)
    release_memory()
    return speed


def _measure_device(device: "torch.device", weights: str, side: int, size: int) -> MachineSpeed:
    import torch

    x = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    there = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
    here = torch.empty(size, dtype=torch.uint8, device=device)
    least = torch.zeros(8, device=device)
    product = best_seconds(lambda: x @ x, device)

    def launch() -> None:
        for _ in range(LAUNCHES):
            least.add_(1)

    return MachineSpeed(
        2 * side**3 / product / H200,
        size / best_seconds(lambda: here.copy_(there), device),
        best_seconds(launch, device) / LAUNCHES,
        measure_read_rate(large_files(weights)) or MachineSpeed().reading,
        has_compiled_kernels(),
        measure_import_seconds(),
    )


def large_files(weights: str) -> list[Path]:
    """Files in a folder of weights whose reading takes time."""
    folder = Path(weights)
    found = (
        path for path in folder.rglob("*") if path.suffix in WEIGHT_SUFFIXES and path.is_file()
    )
    return (
        sorted(path for path in found if path.stat().st_size >= LARGE_FILE_BYTES) if weights else []
    )


def measure_read_rate(files: Sequence[Path]) -> float:
    """Bytes a second in which pieces of files are read by several at once, from where they lie now; 0 where there are none.

    Each time others: what was read for the plan before is in memory, and the rest perhaps not.
    """
    sizes = [path.stat().st_size for path in files]
    pieces = [
        (path, random.randrange(max(1, size - PIECE)))  # noqa: S311 - no secret
        for path, size in zip(files, sizes, strict=True)
        for _ in range(max(1, PIECES * size // max(sum(sizes), 1)))
    ]
    begun = time.perf_counter()
    with ThreadPoolExecutor(READERS) as threads:
        read = sum(threads.map(_read_piece, pieces))
    return read / (time.perf_counter() - begun)


def _read_piece(piece: tuple[Path, int]) -> int:
    path, at = piece
    with path.open("rb", buffering=0) as file:
        file.seek(at)
        return len(file.read(PIECE))


def measure_import_seconds() -> float:
    """Seconds in which a new process has imported what a large model needs; none of it is then left to be read from the disk."""
    begun = time.perf_counter()
    code = f"from pipeline.upkeep.child_process import follow_parent; follow_parent(); import {', '.join(LIBRARIES)}"
    with tie_to_parent() as tether:
        subprocess.run(code_command(code), check=False, stderr=subprocess.DEVNULL, **tether)
    return time.perf_counter() - begun


def has_compiled_kernels() -> bool:
    """True if Triton has compiled anything for this user."""
    kept = os.environ.get("TRITON_CACHE_DIR") or Path.home() / ".triton" / "cache"
    return Path(kept).is_dir()


def best_seconds(work: Callable[[], object], device: "torch.device") -> float:
    """Seconds that the work takes, the best of several runs."""
    import torch

    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - begun)
    return best
