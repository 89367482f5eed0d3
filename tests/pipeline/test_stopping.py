"""SIGTERM at awkward moments, to real processes: the end comes within ten seconds, and nothing is half-written."""

import json
import signal
import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[..., "subprocess.Popen[str]"]
Call = Callable[..., tuple[int, str, str]]
WITHIN = 10.0


def events_of(root: Path) -> Iterator[str]:
    """Event by event, what has happened so far."""
    path = root / "events.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        facts = json.loads(line)
        yield f"{facts['event']} {facts.get('stage', '')} {facts.get('clip', '')}"


def stop_at(process: "subprocess.Popen[str]", root: Path, event: str, after: float = 0.3) -> None:
    """Send SIGTERM a moment after the event; the process ends in time, with its code, the command and no drafts."""
    try:
        wait_for(process, root, event)
        time.sleep(after)
        assert process.poll() is None, process.communicate()
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert time.monotonic() - begun < WITHIN
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 143, said
    assert not list(root.rglob("*.partial*"))
    assert "go on with: longtake resume" in said


def wait_for(process: "subprocess.Popen[str]", root: Path, event: str) -> None:
    """Until it has happened."""
    end = time.monotonic() + 120
    while not any(each.startswith(event) for each in events_of(root)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, list(events_of(root))
        time.sleep(0.02)


def test_while_replaying(
    face: Path, speech: Path, tmp_path: Path, started: Start, longtake: Call
) -> None:
    """Between two clips that are denoised again."""
    words = ["new", face, speech, "--run", "x", "--carry-every", "0", "--infer-frames", "12"]
    process = started(*words, fakes={"FAKE_DENOISE": "0.05"})
    while process.poll() is None and "clip_denoised  12" not in events_of(tmp_path / "x"):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    process = started("resume", "x", fakes={"FAKE_DENOISE": "0.5"})
    stop_at(process, tmp_path / "x", "clip_replayed  2")
    assert longtake("resume", "x")[0] == 0


def test_while_loading_on_the_way(face: Path, speech: Path, tmp_path: Path, started: Start) -> None:
    """A model of many gigabytes is not loaded to the end first."""
    process = started("new", face, speech, "--run", "x", fakes={"FAKE_DENOISE": "0.3"})
    while process.poll() is None and "clip_denoised  1" not in events_of(tmp_path / "x"):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    (tmp_path / "x/events.jsonl").unlink()
    process = started("resume", "x", fakes={"FAKE_LOAD": "60"})
    stop_at(process, tmp_path / "x", "run_started", 1.0)


@pytest.mark.parametrize("event", ["run_started", "clip_published"])
def test_while_half_an_hour_of_sound_is_read_and_encoded(
    event: str, face: Path, tmp_path: Path, started: Start
) -> None:
    """Both go block by block, and a signal is heeded between two."""
    long = tmp_path / "long.wav"
    with wave.open(str(long), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(bytes(range(256)) * (8000 * 1800 // 256))
    process = started("new", face, long, "--run", "x", "--num-clip", "1")
    stop_at(process, tmp_path / "x", event, 0.5)


def test_while_a_carry_is_written(
    face: Path, speech: Path, tmp_path: Path, started: Start, longtake: Call
) -> None:
    """Carries after every clip; the film is finished afterwards."""
    words = ["new", face, speech, "--run", "x", "--carry-every", "1", "--infer-frames", "12"]
    process = started(*words, fakes={"FAKE_DENOISE": "0.1"})
    stop_at(process, tmp_path / "x", "carry_published", 0)
    assert longtake("resume", "x")[0] == 0
