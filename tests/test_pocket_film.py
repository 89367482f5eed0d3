"""The shipped model through the real commands: interrupted, offline or by Luigi, the film is the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PICTURE, SOUND = ROOT / "examples" / "mila.png", ROOT / "examples" / "harbour.wav"
SMALL = ("--size", "64*64", "--sample-steps", "1", "--carry-every", "2")
NEW = (sys.executable, "-m", "pipeline", "new", str(PICTURE), str(SOUND), *SMALL)
CLIPS = 7


def make(run: Path, *more: str) -> None:
    subprocess.run([*NEW, "--run", str(run), *more], cwd=ROOT, check=True, capture_output=True)


def kill_after(run: Path, clips: int) -> None:
    """Start the film and kill it when so many latents are published."""
    worker = subprocess.Popen([*NEW, "--run", str(run)], cwd=ROOT, stderr=subprocess.DEVNULL)
    last = run / "commits" / f"latents.{clips - 1:05d}.json"
    until = time.monotonic() + 120
    while not last.exists() and time.monotonic() < until and worker.poll() is None:
        time.sleep(0.005)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert last.exists()
    assert not (run / "video.mp4").exists()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("unbroken") / "film"
    make(run)
    return run


def pieces(run: Path) -> dict[str, bytes]:
    """The film, its segments and its latents."""
    kept = [run / "video.mp4", *(run / "segments").iterdir(), *(run / "latents").iterdir()]
    return {str(path.relative_to(run)): path.read_bytes() for path in kept}


def test_offline_is_online(unbroken: Path, tmp_path: Path) -> None:
    """Decoding after the last denoise gives the bytes of decoding beside it."""
    make(tmp_path / "film", "--offline", "--ahead", "1")
    assert pieces(tmp_path / "film") == pieces(unbroken)


def test_a_killed_film_is_ended_by_luigi(unbroken: Path, tmp_path: Path) -> None:
    """Killed after three clips and taken up by the luigi command, the film is the unbroken one's bytes."""
    run = tmp_path / "film"
    kill_after(run, 3)
    luigi = [sys.executable, "-m", "luigi", "--module", "tasks", "MuxVideo", "--run", str(run)]
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [*luigi, "--local-scheduler"], cwd=ROOT, env=there, check=True, capture_output=True
    )
    assert pieces(run) == pieces(unbroken)


def test_a_killed_film_is_ended_by_resume(unbroken: Path, tmp_path: Path) -> None:
    """Killed twice and resumed, the film is the unbroken one's bytes, and partial films can be had on the way."""
    run = tmp_path / "film"
    kill_after(run, 2)
    kill_after(run, 5)
    verb = [sys.executable, "-m", "pipeline"]
    part = tmp_path / "part.mp4"
    subprocess.run(
        [*verb, "mux", str(run), "--partial", "--output-file", str(part)], cwd=ROOT, check=True
    )
    assert part.stat().st_size > 0
    subprocess.run([*verb, "resume", str(run)], cwd=ROOT, check=True, capture_output=True)
    assert pieces(run) == pieces(unbroken)
    assert len(list((run / "segments").iterdir())) == CLIPS
