"""A film with a script of twelve changes through the real commands: killed, in parts, by several ranks or with a clip made again, it is the same bytes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from storage.run import Run
from tests import forked
from tests.waiting import LONG, wait_until

ROOT = Path(__file__).parents[1]
PICTURE, SOUND = ROOT / "examples" / "mila.png", ROOT / "examples" / "harbour.wav"
CLIPS, CHANGES = 15, 12
SMALL = ("--size", "64*64", "--sample-steps", "1", "--infer-frames", "12", "--carry-every", "5")
PROMPTS = ("She smiles.", "She is sad and nods.", "", "她很生气。", "She looks to the left.")
KILLED_AT = (2, 6, 10, 13)
"""Clips of which the process is killed at once when they are denoised."""
SOON = {**os.environ, "OMP_WAIT_POLICY": "passive"}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A change at nearly every block, some with a fade that is not over when the next begins, some with a seed."""
    path = tmp_path_factory.mktemp("script") / "film.csv"
    rows = (
        f"{0.6 + 0.52 * n:.2f}s,{PROMPTS[n % 5]},{n % 4},{n % 3 and n}\n" for n in range(CHANGES)
    )
    path.write_text("from,prompt,fade,seed\n" + "".join(rows), encoding="utf-8")
    return path


def words(script: Path, run: Path, *more: str) -> list[str]:
    film = (str(PICTURE), str(SOUND), *SMALL, "--script", str(script), "--run", str(run))
    return [sys.executable, "-m", "pipeline", "new", *film, *more]


def make(script: Path, run: Path, *more: str) -> None:
    forked.run(words(script, run, "--num-clip", str(CLIPS), *more), cwd=ROOT, env=SOON, check=True, capture_output=True, timeout=LONG)  # fmt: skip


def kill_at(script: Path, run: Path, clip: int) -> None:
    """Make the film, and kill that when a clip is denoised."""
    command = words(script, run, "--num-clip", str(CLIPS))
    worker = forked.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until((run / "commits" / f"latents.{clip:05d}.json").exists, of=worker, every=0.002)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert not (run / "video.mp4").exists()


def pieces(run: Path) -> dict[str, bytes]:
    """The film, its segments and its latents."""
    folders = (run / "segments", run / "latents")
    kept = [path for each in folders for path in each.rglob("*") if path.is_file()]
    return {str(path.relative_to(run)): path.read_bytes() for path in [run / "video.mp4", *kept]}


@pytest.fixture(scope="module")
def unbroken(script: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("unbroken") / "film"
    make(script, run)
    assert Run.open(run).spec.script.count("\n") == CHANGES
    return run


@pytest.mark.slow
def test_killed_again_and_again_it_is_the_film_that_was_never_killed(
    script: Path, unbroken: Path, tmp_path: Path
) -> None:
    """By SIGKILL, four times; a resume needs the script no more, as the run has what it says."""
    for clip in KILLED_AT:
        kill_at(script, tmp_path / "film", clip)
    command = [sys.executable, "-m", "pipeline", "resume", str(tmp_path / "film")]
    forked.run(command, cwd=ROOT, check=True, capture_output=True, timeout=LONG)
    assert pieces(tmp_path / "film") == pieces(unbroken)


def test_parts_and_ranks_make_the_same_film(script: Path, unbroken: Path, tmp_path: Path) -> None:
    """Its last clips first, then its first ones by two processes with half of the layers each: prompts go by the block of the whole film."""
    part = ("--start-clip", "9", "--num-clip", "4", "--output-file", str(tmp_path / "part.mp4"))
    long = tmp_path / "long"
    whole = [*words(script, long), *part]
    forked.run(whole, cwd=ROOT, check=True, capture_output=True, timeout=LONG)
    make(script, tmp_path / "film", "--gpus", "2", "--parallel", "layers")
    assert pieces(tmp_path / "film") == pieces(unbroken)
    for clip in range(9, 13):
        name = f"segments/{clip:05d}.mp4"
        assert (long / name).read_bytes() == (unbroken / name).read_bytes()


def test_a_retake_keeps_the_script(unbroken: Path, tmp_path: Path) -> None:
    """Clips that are made again with the film's own seed are the old ones, to the bit, so they were told the same prompts."""
    new = tmp_path / "again"
    more = ("--clip", "7", "--until", "10", "--seed", "420", "--hard-join", "--run", str(new))
    command = [sys.executable, "-m", "pipeline", "retake", str(unbroken), *more]
    done = forked.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=LONG)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Run.open(new).spec.script == Run.open(unbroken).spec.script
    name = "segments/00008.mp4"
    assert (new / name).read_bytes() == (unbroken / name).read_bytes()


def test_from_an_entrys_time_on_the_noise_is_that_of_its_seed(tmp_path: Path) -> None:
    """A film whose script begins with a seed is, latent by latent, the one of that --base-seed; another seed from the third block on changes nothing before."""
    films = {}
    for name, seeds, more in (
        ("own", ("", ""), ("--base-seed", "7")),
        ("told", ("7", "7"), ()),
        ("later", ("7", "8"), ()),
    ):
        path = tmp_path / f"{name}.csv"
        path.write_text("from,prompt,seed\n" + f"0s,,{seeds[0]}\n0.96s,,{seeds[1]}\n")
        command = words(path, tmp_path / name, "--num-clip", "4", *more)
        forked.run(command, cwd=ROOT, env=SOON, check=True, capture_output=True, timeout=LONG)
        latents = Run.open(tmp_path / name).latents
        films[name] = [latents.read(clip) for clip in range(4)]
    assert all(map(np.array_equal, films["own"], films["told"]))
    same = list(map(np.array_equal, films["told"], films["later"]))
    assert same == [True, True, False, False]
