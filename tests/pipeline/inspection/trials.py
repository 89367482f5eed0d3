"""A NaN, an outlier channel and a one-bit difference, put at random places of a run, and looked for by the command line: `make hunt`.

python tests/pipeline/inspection/trials.py [--count 100] [--clips 1000] [--film RUN]: a table of how many were located, and in what time. What is put in is
published by the storage room's own functions, as a run would have done: its chunk has its checksum and its record the hash.
"""

import argparse
import contextlib
import dataclasses
import io
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "storage")]

from small_film import make_start  # noqa: E402

from pipeline.cli import main as longtake  # noqa: E402
from pipeline.inspection.location import locate_index  # noqa: E402
from storage.run import Run  # noqa: E402

LIMIT = 30.0
"""Seconds for one."""
SMALL = {
    "clip_frames": 48, "clip_latents": 12, "block_frames": 12, "latent_channels": 16, "latent_width": 4, "latent_height": 4,
    "width": 32, "height": 32, "steps": 4, "audio_layers": 2, "audio_channels": 8,
}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One thing that was put somewhere, and whether it was found there."""

    kind: str
    wanted: dict[str, Any]
    located: bool
    seconds: float


def make_film(folder: Path, clips: int) -> Run:
    """A run whose latents go about a picture as those of a film do, and whose steps come from noise."""
    folder.mkdir(parents=True, exist_ok=True)
    start = make_start(folder)
    spec = dataclasses.replace(start.spec, clips=clips, frames=48 * clips, **SMALL)
    run = Run.create(folder / "run", dataclasses.replace(start, spec=spec))
    chance = np.random.default_rng(7)
    still = chance.normal(0, 1, (16, 1, 4, 4))
    for clip in range(clips):
        latents = still + np.sin(clip / 9 + still) * 0.3 + chance.normal(0, 0.3, (16, 12, 4, 4))
        noise = chance.normal(0, 1, latents.shape)
        steps = np.stack([latents * part + noise * (1 - part) for part in (0.2, 0.5, 0.8, 1)])
        run.audio.publish(clip, chance.normal(0, 1, (2, 8, 48)).astype(np.float32))
        run.steps.publish(clip, steps.astype(np.float32))
        run.latents.publish(clip, steps[-1].astype(np.float32))
        if clip < 20:
            run.frames.publish(clip, chance.integers(0, 255, run.frames.shape, np.uint8))
    return run


@contextlib.contextmanager
def changed(run: Run, stage: str, clip: int, array: np.ndarray) -> Iterator[None]:
    """A clip's array published in the place of what is there, which comes back."""
    before = getattr(run, stage).read(clip).copy()
    put(run, stage, clip, array)
    try:
        yield
    finally:
        put(run, stage, clip, before)


def put(run: Run, stage: str, clip: int, array: np.ndarray) -> None:
    """Publish it as a run does: chunk, then record."""
    run.records.withdraw(stage, clip)
    getattr(run, stage).publish(clip, array)


def ask(*words: object) -> tuple[int, Any, float]:
    """The command's code, its JSON and its seconds."""
    said, begun = io.StringIO(), time.monotonic()
    with contextlib.redirect_stdout(said):
        code = longtake(["inspect", *map(str, words), "--json"])
    return code, json.loads(said.getvalue()), time.monotonic() - begun


def choose(
    run: Run, stages: tuple[str, ...], chance: np.random.Generator
) -> tuple[str, int, tuple[int, ...]]:
    """A stage, a clip that has it, and an index in it."""
    stage = stages[chance.integers(len(stages))]
    array = getattr(run, stage)
    clip = int(chance.integers(run.spec.clips))
    while not array.complete(clip):
        clip = (clip + 1) % run.spec.clips
    return stage, clip, tuple(int(chance.integers(size)) for size in array.shape)


def block_at(run: Run, stage: str, index: tuple[int, ...]) -> tuple[Any, ...]:
    """The whole block of one channel that an index lies in."""
    *before, t, _, _ = index
    each = run.spec.block_frames // run.spec.frames_per_latent
    return (*before, slice(t // each * each, t // each * each + each))


def matches(found: Any, wanted: dict[str, Any], *, exactly: bool) -> bool:
    """Whether a place in JSON is the wanted one, to the very number or to the block."""
    names = ("stage", "clip", "block", "step", "channel", *(["index"] if exactly else []))
    return all(found[name] == wanted[name] for name in names)


def try_nan(run: Run, other: Run, chance: np.random.Generator) -> Trial:
    """One to three values of a block that are NaN or infinite."""
    stage, clip, index = choose(run, ("steps", "latents"), chance)
    array = getattr(run, stage).read(clip).copy()
    array[index] = chance.choice([np.nan, np.inf, -np.inf])
    wanted = dataclasses.asdict(locate_index(run.spec, stage, clip, index))
    wanted["index"] = list(wanted["index"])
    with changed(run, stage, clip, array):
        code, seen, seconds = ask(run.root, "--hunt")
    found = seen["found"]
    good = code == 3 and len(found) == 1 and found[0]["kind"] == "nan" and found[0]["vouched"]
    return Trial("NaN", wanted, good and matches(found[0]["place"], wanted, exactly=True), seconds)


def try_outlier(run: Run, other: Run, chance: np.random.Generator) -> Trial:
    """A block of one channel that is 8 to 16 times as loud, or moved by 4 to 10 spreads, or has one value 60 to 1000 spreads away."""
    stage, clip, index = choose(run, ("steps", "latents"), chance)
    array = getattr(run, stage).read(clip).copy()
    block, spread = block_at(run, stage, index), array.std()
    how, much = chance.integers(3), np.float32(chance.uniform(4, 10))
    if how == 0:
        # Of 48 values the spread wanders by itself: four times as loud was lost three times in a hundred.
        array[block] *= np.float32(chance.uniform(8, 16))
    elif how == 1:
        array[block] += much * spread * chance.choice([-1, 1])
    else:
        array[index] = chance.uniform(60, 1000) * spread * chance.choice([-1, 1])
    wanted = dataclasses.asdict(locate_index(run.spec, stage, clip, index))
    with changed(run, stage, clip, array):
        code, seen, seconds = ask(run.root, "--hunt")
    found = seen["found"]
    good = code == 3 and len(found) == 1 and found[0]["kind"] == "outlier"
    return Trial(
        "outlier channel",
        wanted,
        good and matches(found[0]["place"], wanted, exactly=False),
        seconds,
    )


def try_bit(run: Run, other: Run, chance: np.random.Generator) -> Trial:
    """One bit of one number of the other run."""
    stage, clip, index = choose(run, ("audio", "steps", "latents", "frames"), chance)
    array = getattr(other, stage).read(clip).copy()
    words = array.view(f"u{array.dtype.itemsize}")
    words[index] ^= words.dtype.type(1 << int(chance.integers(8 * array.dtype.itemsize)))
    wanted = dataclasses.asdict(locate_index(run.spec, stage, clip, index))
    wanted["index"] = list(wanted["index"])
    with changed(other, stage, clip, array):
        code, seen, seconds = ask(run.root, "--diff", other.root)
    first, touched = seen["first"], [each for each in seen["stages"] if each["differ"]]
    good = code == 3 and first is not None and first["bits"] == first["values"] == 1
    good = good and [each["differ"] for each in touched] == [1]
    return Trial("one bit", wanted, good and matches(first["place"], wanted, exactly=True), seconds)


KINDS = {"nan": try_nan, "outlier": try_outlier, "bit": try_bit}


def try_all(
    run: Run, other: Run, count: int, seed: int, kinds: Iterable[str] = tuple(KINDS)
) -> Iterator[Trial]:
    """So many of each kind, at random places."""
    for kind in kinds:
        chance = np.random.default_rng([seed, *kind.encode()])
        for _ in range(count):
            yield KINDS[kind](run, other, chance)


def table(trials: list[Trial]) -> str:
    """A line a kind."""
    lines = [f"{'what':16} {'located':>12} {'mean s':>8} {'slowest s':>10}"]
    for kind in dict.fromkeys(each.kind for each in trials):
        own = [each for each in trials if each.kind == kind]
        good = sum(each.located and each.seconds <= LIMIT for each in own)
        mean = sum(each.seconds for each in own) / len(own)
        slowest = max(each.seconds for each in own)
        lines.append(f"{kind:16} {f'{good} of {len(own)}':>12} {mean:8.2f} {slowest:10.2f}")
    return "\n".join(lines)


def main() -> int:
    """Try it, print the table; 1 where one was not located in time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="of each kind")
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--film", type=Path, help="a copy of this run instead of a drawn one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=KINDS, help="this kind alone")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.film:
            shutil.copytree(given.film, Path(folder, "run"))
            run = Run.open(Path(folder, "run"))
        else:
            run = make_film(Path(folder), given.clips)
        code, seen, seconds = ask(run.root, "--hunt")
        print(
            f"{seen['clips']} clips, {seen['values'] / 1e6:.1f} million values; untouched: {len(seen['found'])} found in {seconds:.2f} s"
        )
        shutil.copytree(run.root, Path(folder, "other"))
        kinds = [given.only] if given.only else [*KINDS]
        other = Run.open(Path(folder, "other"))
        trials = list(try_all(run, other, given.count, given.seed, kinds))
    for lost in (each for each in trials if not each.located):
        print("not located:", lost)
    print(table(trials))
    return int(code != 0 or any(not t.located or t.seconds > LIMIT for t in trials))


if __name__ == "__main__":
    sys.exit(main())
