"""Films as jobs of a real Slurm, one of which is put into the queue again in the middle."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import slurm_server

from tests.waiting import LONG, holds, wait_until

from .conftest import FLAGS, Start, Write
from .test_batch import count_events

Call = Callable[..., tuple[int, str, str]]

pytest.importorskip("submitit")


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Slurm of this machine. Its folder is a short one: a socket's path has but 108 letters."""
    if not slurm_server.is_installed():
        pytest.skip("no Slurm here, or not root")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with slurm_server.serving(Path(folder) / "slurm") as environment:
            for name, word in environment.items():
                monkeypatch.setenv(name, word)
            yield


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_job_is_put_into_the_queue_again(
    table: Write, batch: Start, longtake: Call, tmp_path: Path
) -> None:
    """Slurm holds it back for two minutes; then it goes on, and no clip that was published is made twice."""
    path = table({"num_clip": "15"}, {"prompt": "b", "num_clip": "1"})
    log, run = tmp_path / "calls", tmp_path / "runs/face-speech"
    fakes = {"FAKE_DENOISE": "1", "FAKE_LOG": str(log)}
    process = batch(path, "--engine", "slurm", **fakes)
    wait_until(lambda: holds(log, "denoise 3"), of=process)
    asked = ["squeue", "--noheader", "--format=%i", f"--name=longtake-{run.name}"]
    job = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["scontrol", "requeue", job], check=True)
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err
    assert "2 made" in out
    assert count_events(run, "run_started") == 2
    assert count_events(run, "clip_denoised") == 15
    words = ("new", "face.png", "speech.wav", "--run", "alone", *FLAGS, "--num-clip", "15")
    assert longtake(*words)[0] == 0
    assert (run / "video.mp4").read_bytes() == (tmp_path / "alone/video.mp4").read_bytes()
