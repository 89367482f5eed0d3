"""`longtake retake` through the real commands, with the shipped weights and with the published models in miniature: killed or not, the same bytes."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from storage.run import Run
from tests import forked
from tests.wavefile import write_wave

# Films of the large models in miniature take minutes on a machine that does other things as well.
pytestmark = pytest.mark.timeout(1800)

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "examples" / "mila.png"
POCKET = ("--size", "64*64", "--infer-frames", "12", "--sample-steps", "1", "--carry-every", "2")
LIVE = ("--model", "live-avatar", "--infer-frames", "12", "--size", "64*64", "--carry-every", "1")
WAN = ("--model", "wan-s2v", "--sample-steps", "2", "--num-clip", "3", "--size", "64*48")
LARGE_SLOWLY = [
    "pocket",
    pytest.param("live-avatar", marks=pytest.mark.slow),
    pytest.param("wan-s2v", marks=pytest.mark.slow),
]
"""For what is tried with several processes."""
SECONDS = {"pocket": 3.0, "live-avatar": 2.2, "wan-s2v": 14.0}
CLIPS = {"pocket": (2, 4), "live-avatar": (1, 3), "wan-s2v": (1, 2)}
"""What is made again: from, until."""


def start(words: Sequence[object]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "pipeline", *map(str, words)]
    return forked.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def end(words: Sequence[object]) -> str:
    """Do it to its end; what it said."""
    said = start(words).communicate()[1].decode()
    assert "film" in said or "clips" in said, said
    return said


def pieces(run: Path) -> dict[str, bytes]:
    """The film, and all that it was made of."""
    folders = ("segments", "latents", "steps", "motion", "frames", "audio", "past")
    kept = [path for name in folders for path in (run / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(run)): path.read_bytes() for path in [run / "video.mp4", *kept]}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint in the published layout."""
    folder = tmp_path_factory.mktemp("weights")
    maker = [sys.executable, "-m", "model.tools.make_checkpoint", "--out", str(folder)]
    forked.run(maker, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module", params=LARGE_SLOWLY)
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The old film of each model."""
    kind, folder = request.param, tmp_path_factory.mktemp(request.param)
    flags: tuple[object, ...] = POCKET
    if kind != "pocket":
        large = LIVE if kind == "live-avatar" else WAN
        flags = (*large, "--weights", request.getfixturevalue("weights"))
    write_wave(folder / "speech.wav", SECONDS[kind])
    end(["new", PICTURE, folder / "speech.wav", "--run", folder / "old" / "film", *flags])
    return Run.open(folder / "old" / "film")


def wish(film: Run, root: Path, *more: object) -> list[object]:
    """The command line of a retake."""
    clip, until = CLIPS[film.spec.model]
    return ["retake", film.root, "--clip", clip, "--until", until, "--run", root, *more]


def test_clips_before_and_after_are_the_old_files(film: Run, tmp_path: Path) -> None:
    """Another seed makes other clips from N to M-1; those before and after are the old ones, under the same inodes."""
    end(wish(film, tmp_path / "film", "--seed", 7))
    clip, until = CLIPS[film.spec.model]
    new = Run.open(tmp_path / "film")
    for each in range(film.spec.clips):
        pairs = [
            (film.latents.chunk_path(each), new.latents.chunk_path(each)),
            (film.segment_path(each), new.segment_path(each)),
        ]
        for before, after in pairs:
            stays = not clip <= each < until
            assert before.samefile(after) is stays
            assert (before.read_bytes() == after.read_bytes()) is stays
    assert "is whole" in forked.run(
        [sys.executable, "-m", "pipeline", "verify", str(new.root)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def test_the_same_seed_gives_the_same_film(film: Run, tmp_path: Path) -> None:
    """Made again to the end with the seed that it had, the film is the old one to the byte."""
    clip = CLIPS[film.spec.model][0]
    seed = film.spec.seed
    end(["retake", film.root, "--clip", clip, "--seed", seed, "--run", tmp_path / "film"])
    assert pieces(tmp_path / "film") == pieces(film.root)


def test_killed_at_random_it_ends_the_same(film: Run, tmp_path: Path) -> None:
    """kill -9 at random instants of a retake, then the same command once more: the bytes of one that was not disturbed."""
    end(wish(film, tmp_path / "whole" / "film", "--seed", 7))
    broken, chance, longest = tmp_path / "film", random.Random(), 4.0
    for _ in range(4):
        worker = start(wish(film, broken, "--seed", 7))
        time.sleep(chance.random() * longest)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
    end(wish(film, broken, "--seed", 7))
    assert pieces(broken) == pieces(tmp_path / "whole" / "film")


@pytest.mark.parametrize("film", ["pocket"], indirect=True)
def test_without_a_seed_one_is_drawn_and_found_again(film: Run, tmp_path: Path) -> None:
    """The seed is said, and the same command goes on with it."""
    first = end(wish(film, tmp_path / "film"))
    seed = Run.open(tmp_path / "film").spec.takes[0].seed
    assert f"seed {seed} (before: {film.spec.seed})" in first
    assert f"It is there, with seed {seed}" in end(wish(film, tmp_path / "film"))
