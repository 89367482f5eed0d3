"""A film that is made by real processes, through either door, over the tiny model or the shipped one; and what it consists of."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import forked
from tests.waiting import LONG

Tally = Callable[..., None]
"""Counts what became of a trial."""

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
DOORS = ("longtake", "luigi")
LOGS = {"run.lock", "run.lock.held", "events.jsonl", "inference.log", "reserve.bin"}
"""Files that tell of the making, or hold room, and are not of the film."""
HEADS = {"run.json", "run.copy.json"}
"""They name the door that the film was first asked through."""

CARRY, CARRY_RECORD = "carry/", "commits/carry."

Tree = dict[str, str]


@dataclass(frozen=True)
class Film:
    """What is asked for. Its run is a folder called `film` in any place."""

    image: Path
    audio: Path
    flags: tuple[str, ...] = ("--infer-frames", "12", "--carry-every", "3", "--retry-delay", "0")
    shipped: bool = False
    """With the weights of the package, not the tiny model."""

    def command(self, door: str, place: Path) -> list[str]:
        """The same film through one of the doors."""
        words = ["--run", str(place / "film"), *self.flags]
        if door == "longtake":
            words = ["new", str(self.image), str(self.audio), *words]
        else:
            named = ["--image", str(self.image), "--audio", str(self.audio)]
            words = ["LongVideo", *named, *words, "--local-scheduler"]
        if not self.shipped:
            return [sys.executable, str(TESTS / "faults" / "door.py"), door, *words]
        module = ["-m", "pipeline"] if door == "longtake" else ["-m", "luigi", "--module", "tasks"]
        return [sys.executable, *module, *words]

    def start(self, door: str, place: Path, said: Path | None = None, **more: str) -> "Started":
        """Begin it, or go on with it, in a process of its own."""
        place.mkdir(parents=True, exist_ok=True)
        said = said or place.parent / f"{place.name}.said"
        return Started(self.command(door, place), said, more)

    def make(self, place: Path, door: str = "longtake", **more: str) -> Tree:
        """Make it to its end; its files."""
        status, said = self.start(door, place, **more).end()
        assert status == 0, said
        return tree(place / "film")


class Started:
    """A process; what it says goes to a file, as nobody reads a pipe meanwhile."""

    def __init__(self, command: Sequence[str], said: Path, more: dict[str, str]) -> None:
        self.said, self.begun = said, time.time()
        there = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}
        with self.said.open("w") as file:
            self.process = forked.Popen(
                command, env=there, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=file
            )

    def kill(self) -> None:
        """As `kill -9`."""
        self.process.send_signal(signal.SIGKILL)

    def end(self, seconds: float = LONG) -> tuple[int, str]:
        """Its exit status, and what it said."""
        try:
            status = self.process.wait(seconds)
        finally:
            self.process.kill()
            self.process.wait()
        return status, self.said.read_text(errors="replace")

    def wait_for_file(self, path: Path) -> None:
        """Wait until it is there, or the process has ended."""
        while self.process.poll() is None and not path.exists():
            time.sleep(0.001)

    def wait_for(self, root: Path, more: int) -> None:
        """Wait until so many records have come, or the process has ended."""
        enough = records_of(root) + more
        while self.process.poll() is None and records_of(root) < enough:
            time.sleep(0.001)


@contextmanager
def running(started: Started) -> Iterator[Started]:
    """A process that is gone afterwards, whatever happens."""
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def records_of(root: Path) -> int:
    """How many records there are."""
    try:
        return sum(path.suffix == ".json" for path in (root / "commits").iterdir())
    except FileNotFoundError:
        return 0


def tree(root: Path) -> Tree:
    """The digest of every file of a run by its path, drafts included, but for logs and run.json."""
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if path.name not in LOGS | HEADS
    }


def differing(found: Tree, expected: Tree) -> list[str]:
    """The paths that one of them lacks or has otherwise.

    A carry may be lacking: it is written after its clip, and where a crash comes between, the next one is the first to be there. Never other bytes.
    """
    return sorted(
        name
        for name in {*found, *expected}
        if found.get(name) != expected.get(name)
        and not (name.startswith(CARRY) and None in (found.get(name), expected.get(name)))
        and not name.startswith(CARRY_RECORD)
    )


def is_plain(said: str, root: Path) -> bool:
    """True if the end of what a process said is one line for a person, which names the run or what is in it, and no traceback."""
    lines = [line for line in said.splitlines() if line.startswith("longtake: ")]
    return len(lines) == 1 and "Traceback" not in said and str(root.parent) in lines[0]
