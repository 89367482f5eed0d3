"""Two speakers in one film, by the shipped model and the real commands: killed and resumed to the byte, each as in a film of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.run import Run
from tests import forked
from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]
PLACES = ("25,44,14,4,17,26,11,6,37,26,11,6", "89,44,14,4,81,26,11,6,101,26,11,6")
SMALL = ("--size", "128*64", "--sample-steps", "1", "--infer-frames", "12", "--num-clip", "4")
SMALL += ("--carry-every", "1")
SOUNDS = [str(ROOT / "examples" / f"{name}.wav") for name in ("harbour", "tea")]


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the examples side by side."""
    path = tmp_path_factory.mktemp("group") / "group.png"
    picture = Image.new("RGB", (128, 64))
    for number, name in enumerate(("mila", "joon")):
        face = Image.open(ROOT / "examples" / f"{name}.png").convert("RGB").resize((64, 64))
        picture.paste(face, (64 * number, 0))
    picture.save(path)
    return path


def new(group: Path, run: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "pipeline", "new", str(group), *SMALL, "--run", str(run), *words]


def speakers() -> list[str]:
    pairs = zip(SOUNDS, PLACES, strict=True)
    return [word for sound, place in pairs for word in ("--speaker", f"{sound}@{place}")]


@pytest.fixture(scope="module")
def unbroken(group: Path) -> Run:
    run = group.parent / "film"
    forked.run(new(group, run, *speakers()), cwd=ROOT, check=True, capture_output=True)
    return Run.open(run)


def test_a_killed_film_is_ended_by_resume(group: Path, unbroken: Run, tmp_path: Path) -> None:
    """Killed after a clip and resumed where its inputs are gone: the bytes of the unbroken film."""
    run = tmp_path / "film"
    worker = forked.Popen(
        new(group, run, *speakers()), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until((run / "commits" / "latents.00001.json").exists, of=worker, every=0.002)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert not (run / "video.mp4").exists()
    verb = [sys.executable, "-m", "pipeline", "resume", str(run)]
    forked.run(verb, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "HOME": "/"})
    assert (run / "video.mp4").read_bytes() == unbroken.video_path.read_bytes()


def test_a_speaker_is_as_in_a_film_of_its_own(group: Path, unbroken: Run, tmp_path: Path) -> None:
    """The second one's latents are, to the bit, those of a film of that face and sound with the seed after."""
    mouth, eyes = ",".join(PLACES[1].split(",")[:4]), ",".join(PLACES[1].split(",")[4:])
    own = [SOUNDS[1], "--mouth", mouth, "--eyes", eyes, "--base-seed", "421"]
    forked.run(new(group, tmp_path / "own", *own), cwd=ROOT, check=True, capture_output=True)
    alone = Run.open(tmp_path / "own")
    for clip in range(4):
        both = unbroken.latents.read(clip)
        assert np.array_equal(both[:, :, 8:], alone.latents.read(clip))
        assert not np.array_equal(both[:, :, :8], both[:, :, 8:])
