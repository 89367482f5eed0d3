"""Real processes, killed at random and stopped politely; what comes out is what an unbroken run makes."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.run import Run
from tasks.request import Request
from tasks.resolve import freeze_run
from tests import forked
from tests.waiting import LONG, held, wait_until

TESTS = Path(__file__).parents[1]
SLOW = {"FAKE_DENOISE": "0.02", "FAKE_DECODE": "0.02"}
Ask = Callable[..., Request]


def command(door: str, request: Request) -> list[str]:
    """The same film through Luigi's command line, or through make()."""
    if door == "make":
        paths = [str(request.image), str(request.audio), str(request.run)]
        return [sys.executable, str(TESTS / "fake_make.py"), *paths]
    words = [
        "--image",
        str(request.image),
        "--audio",
        str(request.audio),
        "--run",
        str(request.run),
    ]
    words += ["--infer-frames", "12", "--carry-every", "3", "--local-scheduler"]
    return [sys.executable, str(TESTS / "fake_luigi.py"), "LongVideo", *words]


class Started:
    """The film being made in a process of its own; what it says goes to a file, as nobody reads a pipe meanwhile."""

    def __init__(self, door: str, request: Request, **more: str) -> None:
        self.said = request.image.parent / "said.txt"
        with self.said.open("w") as file:
            self.process = forked.Popen(
                command(door, request),
                env={**os.environ, **SLOW, **more},
                cwd=TESTS.parent,
                stdout=subprocess.DEVNULL,
                stderr=file,
            )

    def end(self) -> tuple[int, str]:
        """Its exit status, and what it said."""
        try:
            status = self.process.wait(LONG)
        finally:
            self.process.kill()
            self.process.wait()
        return status, self.said.read_text()

    def wait_for_records(self, root: Path, more: int) -> None:
        """Wait until so many records have come, or the process has ended."""
        enough = records_of(root) + more
        while self.process.poll() is None and records_of(root) < enough:
            time.sleep(0.002)


def records_of(root: Path) -> int:
    """How many records there are."""
    return len(list(root.glob("commits/*.json")))


def files_of(root: Path) -> dict[str, str]:
    """The digest of each file that the film consists of."""
    patterns = ("latents/c.*", "steps/c.*", "frames/c.*", "segments/*.mp4", "*.m4a", "video.mp4")
    paths = sorted(path for pattern in patterns for path in root.glob(pattern))
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    }


def drafts_of(root: Path) -> list[Path]:
    """What a crash left half-written."""
    return [path for path in root.rglob("*") if "partial" in path.name or "tmp" in path.name]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_signal_ends_after_the_current_write(
    ask: Ask, number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """The first signal ends the process with its code and the command that goes on; nothing half-written is left."""
    request = ask(infer_frames=12)
    with held(tmp_path / "hold", "denoise", 8) as fakes:
        started = Started("make", request, **fakes)
        started.wait_for_records(request.run, 12)
        started.process.send_signal(number)
    status, said = started.end()
    assert status == code, said
    assert f"go on with: longtake resume {request.run}" in said
    assert not drafts_of(request.run)
    lines = (request.run / "events.jsonl").read_text().splitlines()
    assert "run_interrupted" in [json.loads(line)["event"] for line in lines]
    assert not (request.run / "video.mp4").exists()


def test_second_signal_ends_at_once(ask: Ask, tmp_path: Path) -> None:
    """The second signal does not wait for a clip that takes for ever."""
    request = ask(infer_frames=12)
    with held(tmp_path / "hold", "denoise", 1) as fakes:
        started = Started("make", request, **fakes)
        wait_until((tmp_path / "hold/denoise.1.reached").exists, of=started.process)

        def ended() -> bool:
            # Two that come before the first is heeded are one.
            started.process.send_signal(signal.SIGINT)
            return started.process.poll() is not None

        wait_until(ended, every=0.2)
    assert started.end()[0] == -signal.SIGINT


def test_signal_through_luigi_is_no_success(ask: Ask, tmp_path: Path) -> None:
    """Luigi's command, told to stop, ends with a code that is not zero, and the same command goes on."""
    request = ask(infer_frames=12)
    with held(tmp_path / "hold", "denoise", 8) as fakes:
        started = Started("luigi", request, **fakes)
        started.wait_for_records(request.run, 12)
        started.process.send_signal(signal.SIGTERM)
    status, said = started.end()
    assert status == 30, said
    assert "go on with: longtake resume" in said
    started = Started("luigi", request)
    assert started.end()[0] == 0
    assert (request.run / "video.mp4").exists()


def test_failed_clip_ends_luigi_with_a_code(ask: Ask, tmp_path: Path) -> None:
    """A clip that fails three times ends Luigi's command with 30 and make() with 4."""
    request = ask(infer_frames=12)
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "denoise.5").write_text("99")
    for door, code in (("luigi", 30), ("make", 4)):
        started = Started(door, request, FAKE_FAIL=str(tmp_path / "faults"))
        status, said = started.end()
        assert status == code, said
        assert "Clip 5 failed 3 times while denoising" in said


@pytest.fixture
def busy(ask: Ask) -> Iterator[Request]:
    """A run that another process is at work on."""
    request = ask(infer_frames=12)
    started = Started("make", request, FAKE_DENOISE="600")
    started.wait_for_records(request.run, 4)
    yield request
    started.process.kill()
    started.end()


def test_second_process_is_refused(busy: Request) -> None:
    """Two processes never work on one run: the second is told who holds it, with code 75."""
    started = Started("make", busy)
    status, said = started.end()
    assert status == 75
    assert "is being worked on by process" in said


@pytest.mark.parametrize("stage", ["DecodeClip", "DenoiseClip", "ExtractAudio"])
def test_stage_can_be_asked_for_by_itself(ask: Ask, stage: str) -> None:
    """`luigi DecodeClip --run … --clip 7` makes what it needs, and nothing beyond."""
    run = freeze_run(ask(infer_frames=12))
    words = [stage, "--run", str(run.root), "--clip", "7", "--local-scheduler"]
    done = forked.run(
        [sys.executable, str(TESTS / "fake_luigi.py"), *words],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    name = {"DecodeClip": "segment", "DenoiseClip": "latents", "ExtractAudio": "audio"}[stage]
    assert [clip for clip in range(21) if run.records.complete(name, clip)][-1] == 7
    assert not run.records.complete("latents", 8)
    assert Run.open(run.root).spec == run.spec
