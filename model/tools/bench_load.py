"""How fast the published weights come onto a device, and what the host gives for it: python -m model.tools.bench_load DIR [--device cuda] [--lora FILE].

The same files are read twice, with nothing of them in the page cache (Linux): once only read, by as many threads, then loaded, with the LoRA merged.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread

from model.weights import checkpoint
from model.weights.loading import Placement, load_transformer
from model.weights.tensor_reader import CHUNK_BYTES, READERS


@dataclass(frozen=True)
class Loading:
    """One loading beside one reading of the same files."""

    gigabytes: float
    read: float
    """Gigabytes a second that the file system gives."""
    loaded: float
    """Gigabytes a second of the files that were loaded."""
    ratio: float
    host: float
    """Gigabytes of anonymous host memory (RssAnon) at most while loading."""
    host_before: float
    """The same when loading began: Python, torch, the card's driver."""


def measure_loading(place: checkpoint.WeightsLocation, placement: Placement) -> Loading:
    """Read, then load. Raises what loading raises."""
    import torch

    files = [*place.shards, *([place.lora] if place.lora else [])]
    torch.zeros(1, device=placement.device)
    size = sum(path.stat().st_size for path in files) / 1e9
    drop_from_cache(files)
    reading = time_call(lambda: read_files(files))
    drop_from_cache(files)
    before = anonymous_bytes()
    with sample_peak(anonymous_bytes) as host:
        loading = time_call(lambda: load_and_wait(place, placement))
    ratio = reading / loading
    return Loading(size, size / reading, size / loading, ratio, max(host) / 1e9, before / 1e9)


def load_and_wait(place: checkpoint.WeightsLocation, placement: Placement) -> None:
    """Load the transformer and wait until it is there."""
    import torch

    model = load_transformer(place, placement)
    if placement.device.type == "cuda":
        torch.cuda.synchronize(placement.device)
    del model


def drop_from_cache(files: Iterable[Path]) -> None:
    """Drop the files from the page cache."""
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_files(files: Iterable[Path]) -> None:
    """Read every byte once and keep none."""
    chunks = [(path, at) for path in files for at in range(0, path.stat().st_size, CHUNK_BYTES)]
    buffers = [bytearray(CHUNK_BYTES) for _ in range(READERS)]

    def take(number: int) -> None:
        for path, at in chunks[number::READERS]:
            with path.open("rb", buffering=0) as file:
                file.seek(at)
                file.readinto(buffers[number])

    with ThreadPoolExecutor(READERS) as threads:
        list(threads.map(take, range(READERS)))


def time_call(act: Callable[[], None]) -> float:
    """How long it takes."""
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def anonymous_bytes() -> int:
    """Bytes of this process's memory that belong to no file."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


@contextmanager
def sample_peak(look: Callable[[], int], every: float = 0.02) -> Iterator[list[int]]:
    """What is seen meanwhile, looked at `every` so many seconds."""
    seen, ended = [look()], Event()

    def follow() -> None:
        while not ended.wait(every):
            seen.append(look())

    watcher = Thread(target=follow, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print it as JSON."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="the folder of weights")
    parser.add_argument("--lora", help="the LoRA's file; '' for none")
    parser.add_argument("--device", default="cuda")
    given = parser.parse_args(arguments)
    place = checkpoint.locate_weights(given.folder, given.lora)
    found = measure_loading(place, Placement(torch.device(given.device)))
    print(json.dumps({name: round(value, 3) for name, value in asdict(found).items()}))


if __name__ == "__main__":
    main()
