"""The shipped model through the real commands: interrupted, offline or by Luigi, the film is the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# tests/ is no package.
sys.path.insert(0, str(Path(__file__).parent))

from harm import cut, digests, flip

from tests import forked
from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]
PICTURE, SOUND = ROOT / "examples" / "mila.png", ROOT / "examples" / "harbour.wav"
CLIPS = 9
SMALL = ("--size", "64*64", "--sample-steps", "1", "--carry-every", "2")
SMALL += ("--infer-frames", "12", "--num-clip", str(CLIPS))
NEW = (sys.executable, "-m", "pipeline", "new", str(PICTURE), str(SOUND), *SMALL)


def make(run: Path, *more: str) -> None:
    forked.run([*NEW, "--run", str(run), *more], cwd=ROOT, check=True, capture_output=True)


def kill_after(run: Path, clips: int, *more: str) -> None:
    """Start the film and kill it when so many latents are published."""
    words = [*NEW, "--run", str(run), *more]
    worker = forked.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL)
    last = run / "commits" / f"latents.{clips - 1:05d}.json"
    wait_until(last.exists, of=worker, every=0.002)
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
    forked.run([*luigi, "--local-scheduler"], cwd=ROOT, env=there, check=True, capture_output=True)
    assert pieces(run) == pieces(unbroken)


def test_a_killed_film_is_ended_by_resume(unbroken: Path, tmp_path: Path) -> None:
    """Killed twice and resumed, the film is the unbroken one's bytes, and partial films can be had on the way."""
    run = tmp_path / "film"
    kill_after(run, 2)
    kill_after(run, 5)
    verb = [sys.executable, "-m", "pipeline"]
    part = tmp_path / "part.mp4"
    forked.run(
        [*verb, "mux", str(run), "--partial", "--output-file", str(part)], cwd=ROOT, check=True
    )
    assert part.stat().st_size > 0
    forked.run([*verb, "resume", str(run)], cwd=ROOT, check=True, capture_output=True)
    assert pieces(run) == pieces(unbroken)
    assert len(list((run / "segments").iterdir())) == CLIPS


HARMED = (
    *("latents/c.1.0.0.0.0", "audio/c.1.0.0.0", "frames/c.2.0.0.0.0", "segments/00002.mp4"),
    *("encoded/sound_moments/c.0", "sound/c.0", "time/c.0.0", "run.json", "steps/zarr.json"),
)


def harm_and_repair(run: Path, *more: str) -> str:
    """Harm files in three ways by turns, and repair them; what was said."""
    harms = (flip, cut, Path.unlink)
    for number, name in enumerate((*HARMED, *more)):
        harms[number % 3](run / name)
    verb = [sys.executable, "-m", "pipeline", "verify", str(run)]
    done = forked.run([*verb, "--repair"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "is damaged" in done.stderr
    assert "is whole again" in done.stdout
    return done.stderr


def test_a_finished_film_is_repaired_to_the_byte(unbroken: Path, tmp_path: Path) -> None:
    """Harmed in twelve places, among them two that need the denoiser and the film itself: every file is as it was."""
    run = shutil.copytree(unbroken, tmp_path / "film")
    said = harm_and_repair(run, "steps/c.3.0.0.0.0.0", "soundtrack.m4a", "video.mp4")
    assert "denoise" in said
    assert digests(run) == digests(unbroken)


def test_a_killed_film_is_repaired_and_then_ended(unbroken: Path, tmp_path: Path) -> None:
    """The same in the middle: healed, not finished; resumed, it is the unbroken film."""
    run = tmp_path / "film"
    kill_after(run, 5)
    harm_and_repair(run)
    assert not (run / "video.mp4").exists()
    verb = [sys.executable, "-m", "pipeline"]
    forked.run([*verb, "resume", str(run)], cwd=ROOT, check=True, capture_output=True)
    assert pieces(run) == pieces(unbroken)
    assert forked.run([*verb, "verify", str(run)], cwd=ROOT, check=False).returncode == 0


def test_other_kernels_are_refused_and_leave_nothing(unbroken: Path, tmp_path: Path) -> None:
    """Where torch takes other kernels, the probe says so before anything is written (code 3); with the first ones the film is the unbroken one's bytes."""
    run = tmp_path / "film"
    kill_after(run, 3)
    before = digests(run / "audio") | digests(run / "commits") | digests(run / "encoded")
    other = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    words = [sys.executable, "-m", "pipeline", "resume", str(run)]
    said = forked.run(words, cwd=ROOT, env=other, check=False, capture_output=True, text=True)
    assert said.returncode == 3
    assert "begun under other numerics: probe was " in said.stderr
    assert digests(run / "audio") | digests(run / "commits") | digests(run / "encoded") == before
    make(run)
    assert pieces(run) == pieces(unbroken)


@pytest.mark.slow
def test_a_live_film_killed_and_resumed(unbroken: Path, tmp_path: Path) -> None:
    """Killed in the middle and resumed, the live film has the bytes that it has of an unbroken film which is asked for it afterwards."""
    kill_after(tmp_path / "film", 5, "--grow")
    there = (tmp_path / "film/live/film.mp4").read_bytes()
    make(tmp_path / "film", "--grow")
    shutil.copytree(unbroken, tmp_path / "whole")
    resume = [sys.executable, "-m", "pipeline", "resume", str(tmp_path / "whole"), "--grow"]
    forked.run(resume, cwd=ROOT, check=True, capture_output=True)
    made, whole = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "live").iterdir()}
        for name in ("film", "whole")
    )
    assert made == whole
    assert len(made) == CLIPS + 3
    assert len(there) > 0
    assert made["film.mp4"].startswith(there[: there.rfind(b"moof") - 4])
