"""What a run on an object store costs against one in a folder: python -m pipeline.bench.bench_store URL [--clips 12] [--rounds 5] [--size 256] [--steps 4].

The same film of pocket in turn in a folder and at URL-NUMBER (a store that is there, by the environment's credentials), each in a fresh process: seconds a
clip from the first denoise to the film, processor seconds of all that this process started, memory. Of several numbers of clips, memory over the first.
"""

import argparse
import resource
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from model.avatar import Options
from pipeline.bench import product
from pipeline.bench.material import Material, prepare_material
from storage.remote.address import make_working_folder


@dataclass(frozen=True)
class StoreCost:
    """What one film took."""

    seconds: float
    """A clip, by the clock."""
    processor: float
    """A clip, by all cores."""
    memory: int
    """The most bytes that it held."""


def measure_film(film: Material, root: Path) -> StoreCost:
    """Make a film in a fresh process and remove its folder."""
    before = _processor_seconds()
    made = product.make_film(film, root)
    shutil.rmtree(root)
    taken = _processor_seconds() - before
    return StoreCost((made.ended - made.begun) / film.clips, taken / film.clips, made.peak)


def compare_costs(film: Material, url: str, rounds: int, folder: Path) -> list[StoreCost]:
    """The medians in a folder and on the store, in that order; they are made in turn, so that other work meets both."""
    costs: list[list[StoreCost]] = [[], []]
    for number in range(rounds):
        # By a new name each time: else the second would find the first one's film.
        place = f"{url}-{secrets.token_hex(3)}-{number}"
        roots = [folder / f"folder{number}", make_working_folder(place)]
        for turn in (0, 1) if number % 2 else (1, 0):
            costs[turn].append(measure_film(film, roots[turn]))
    return [_median_of(each) for each in costs]


def _median_of(costs: list[StoreCost]) -> StoreCost:
    return StoreCost(
        median(each.seconds for each in costs),
        median(each.processor for each in costs),
        max(each.memory for each in costs),
    )


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print a line for each number of clips."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--clips", default="12")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=4)
    asked = parser.parse_args()
    options = Options(width=asked.size, height=asked.size, steps=asked.steps)
    first = 0
    with tempfile.TemporaryDirectory() as place:
        for clips in map(int, asked.clips.split(",")):
            film = prepare_material(Path(place), clips, options)
            folder, store = compare_costs(film, asked.url, asked.rounds, Path(place))
            first = first or store.memory
            print(
                f"{clips} clips: {folder.seconds:.3f} and {store.seconds:.3f} s a clip ({store.seconds / folder.seconds:.3f}),"
                f" processor {folder.processor:.3f} and {store.processor:.3f} s ({store.processor / folder.processor:.3f}),"
                f" memory {folder.memory >> 20} and {store.memory >> 20} MiB ({store.memory / first:.3f} of the first)",
                flush=True,
            )


if __name__ == "__main__":
    main()
