"""How soon there is something to play: python -m pipeline.bench.first_clip [N] [--beside CHECKOUT] [--film FLAGS].

Seconds from the command to the first clip's record, of the clock and of the processor, for a film of pocket at its own size, or with FLAGS; and of `longtake --help`.
With another checkout beside it, each in turn, so that both meet the same machine.
"""

import argparse
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
FILM = ["new", "examples/mila.png", "examples/harbour.wav", "--num-clip", "1"]


def time_command(words: list[str], checkout: Path, until: Path | None) -> tuple[float, float]:
    """Seconds until a file is there (None: until the end), and seconds of the processor until the end. Raises CalledProcessError."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    nowhere = subprocess.DEVNULL
    command = [sys.executable, "-m", "pipeline", *words]
    with subprocess.Popen(command, cwd=checkout, stdout=nowhere, stderr=nowhere) as process:
        while process.poll() is None and not (until and until.exists()):
            time.sleep(0.005)
        seconds = time.monotonic() - begun
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def time_first_clip(checkout: Path, flags: Sequence[str] = ()) -> tuple[float, float]:
    """Seconds to the first clip's record, and of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder, "run/commits/segment.00000.json")
        return time_command([*FILM, *flags, "--run", f"{folder}/run"], checkout, record)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("times", type=int, nargs="?", default=3)
    parser.add_argument("--beside", type=Path, help="another checkout, measured in turn")
    parser.add_argument("--film", default="", help="more flags of the film, as one word")
    given = parser.parse_args()
    checkouts = [ROOT, *([given.beside.absolute()] if given.beside else [])]
    for name, measure in (
        ("first clip", partial(time_first_clip, flags=shlex.split(given.film))),
        ("--help", lambda checkout: time_command(["--help"], checkout, None)),
    ):
        taken = [[measure(checkout) for checkout in checkouts] for _ in range(given.times)]
        for checkout, rounds in zip(checkouts, zip(*taken, strict=True), strict=True):
            clock, cpu = (median(each) for each in zip(*rounds, strict=True))
            each = " ".join(f"{seconds:.2f}" for seconds, _ in rounds)
            told = f"{cpu:.2f} s of the processor ({checkout.name}); one by one {each}"
            print(f"{name}: {clock:.2f} s, {told}")


if __name__ == "__main__":
    main()
