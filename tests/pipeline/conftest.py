"""A fake model, small inputs, the command line in this process or in its own, and nothing left behind between tests."""
# ruff: noqa: E402, I001 - the path is set before what lies on it

from tasks import cached_runs
from tasks import loaded_model
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import luigi
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
# The root first: tests/ has folders of the same names as the packages.
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import fake_avatar
import soundtracks

from pipeline.cli import main
from pipeline.upkeep.fork_server import FORK_SERVER
from tasks import session
from wavefile import write_wave
from tests import forked

DOOR = """
import os, sys
sys.path[:0] = sys.argv.pop(1).split(":")
import fake_avatar
fake_avatar.install()
from pipeline.cli import main
if ready := os.environ.get("FAKE_READY"):
    open(ready, "w").close()
sys.exit(main())
"""


@pytest.fixture(autouse=True)
def _fenced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    fake_avatar.install(monkeypatch)
    soundtracks.install(monkeypatch)
    for name in [each for each in os.environ if each.startswith(("FAKE_", "LONGTAKE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    for one in tuple(session._sessions.values()):
        one.close()
    loaded_model._loaded.clear()
    cached_runs._runs.clear()
    luigi.Task.clear_instance_cache()
    logging.captureWarnings(capture=False)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    for handler in [
        each for each in root.handlers if type(each).__module__ == "pipeline.monitor.log_output"
    ]:
        root.removeHandler(handler)


@pytest.fixture(scope="session")
def fake_fork_server() -> Iterator[Path]:
    """This process's fork server has the fake model, and so have all that it starts; gives what is on their PYTHONPATH."""
    site = ROOT / "tests/pipeline/jobs/fake_site"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site))
        FORK_SERVER.launch()
    yield site
    FORK_SERVER.close()


@pytest.fixture
def face(tmp_path: Path) -> Path:
    """A small picture."""
    path = tmp_path / "face.png"
    Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)).save(path)
    return path


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Nine seconds of sound: five clips of 48 frames at 25 a second."""
    path = tmp_path / "speech.wav"
    write_wave(path, 9.0)
    return path


@pytest.fixture
def longtake(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process: its exit code, stdout and stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def started(tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """The command line as a process of its own, with the fake model."""

    def start(
        *words: object,
        fakes: Mapping[str, str] | None = None,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        cwd: Path = tmp_path,
    ) -> "subprocess.Popen[str]":
        return forked.Popen(
            [sys.executable, "-c", DOOR, f"{ROOT}:{ROOT / 'tests'}", *map(str, words)],
            cwd=cwd,
            env={**os.environ, **(fakes or {})},
            stdout=stdout,
            stderr=stderr,
            text=True,
        )

    return start
