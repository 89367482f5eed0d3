"""Pictures and sound for films that are to be broken, the unbroken film beside them, and what is counted of each test."""
# ruff: noqa: E402 - the path is set before what lies on it

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# The root first: tests/ has folders of the same names as the packages.
sys.path[:0] = [
    str(Path(__file__).parents[2]),
    str(Path(__file__).parents[1]),
    str(Path(__file__).parent),
]

from films import ROOT, Film, Tally, Tree
from wavefile import write_wave

from tests.s3_server import S3Server, serving_s3


@pytest.fixture(autouse=True)
def _fenced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith(("FAKE_", "FAULT_", "LONGTAKE_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """What was tried and what came of it, for the table of make faults: `tally(kills=500, differing=0)`."""

    def count(**facts: float | str) -> None:
        for name, value in facts.items():
            record_property(name, value)

    return count


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """An S3 server, one for all tests of a module; skipped where moto is not there."""
    pytest.importorskip("moto")
    with serving_s3() as served:
        yield served


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    """Ten seconds: 21 clips of the tiny model."""
    folder = tmp_path_factory.mktemp("asked")
    image, audio = folder / "face.png", folder / "speech.wav"
    Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)).save(image)
    write_wave(audio, 10.0)
    return Film(image, audio)


@pytest.fixture(scope="session")
def brief(film: Film) -> Film:
    """A second and a half: four clips, the last one cut."""
    audio = film.audio.with_name("brief.wav")
    write_wave(audio, 1.5)
    return replace(film, audio=audio)


@pytest.fixture(scope="session")
def unbroken(film: Film, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """The files of the film that nothing happens to."""
    return film.make(tmp_path_factory.mktemp("unbroken"))


@pytest.fixture(scope="session")
def shipped() -> Film:
    """Eight clips of the shipped model, small."""
    flags = ("--size", "64*64", "--sample-steps", "1", "--infer-frames", "12", "--num-clip", "8")
    flags += ("--carry-every", "2", "--retry-delay", "0")
    return Film(ROOT / "examples" / "mila.png", ROOT / "examples" / "harbour.wav", flags, True)
