"""SIGTERM at awkward moments, to real processes: the end does not wait for what goes on, and nothing is half-written."""

import json
import signal
import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.waiting import LONG, held, wait_until

Start = Callable[..., "subprocess.Popen[str]"]
Call = Callable[..., tuple[int, str, str]]


def events_of(root: Path) -> Iterator[str]:
    """Event by event, what has happened so far."""
    path = root / "events.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        facts = json.loads(line)
        yield f"{facts['event']} {facts.get('stage', '')} {facts.get('clip', '')}"


def stop(process: "subprocess.Popen[str]", root: Path) -> None:
    """Send SIGTERM; the process ends, although what it is at would take for ever, with its code, the command and no drafts."""
    try:
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LONG)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 143, said
    assert not list(root.rglob("*.partial*"))
    assert "go on with: longtake resume" in said


def wait_for(process: "subprocess.Popen[str]", root: Path, event: str) -> None:
    """Until it has happened."""
    wait_until(lambda: any(each.startswith(event) for each in events_of(root)), of=process)


def test_while_replaying(
    face: Path, speech: Path, tmp_path: Path, started: Start, longtake: Call
) -> None:
    """Between two clips that are denoised again."""
    words = ["new", face, speech, "--run", "x", "--carry-every", "0", "--infer-frames", "12"]
    with held(tmp_path / "hold", "denoise", 13) as fakes:
        process = started(*words, fakes=fakes)
        wait_for(process, tmp_path / "x", "clip_denoised  12")
        process.kill()
    process.communicate()
    process = started("resume", "x", fakes={"FAKE_DENOISE": "0.5"})
    wait_for(process, tmp_path / "x", "clip_replayed  2")
    stop(process, tmp_path / "x")
    assert "clip_denoised  13 " not in events_of(tmp_path / "x")
    assert longtake("resume", "x")[0] == 0


def test_while_loading_on_the_way(face: Path, speech: Path, tmp_path: Path, started: Start) -> None:
    """A model of many gigabytes is not loaded to the end first."""
    with held(tmp_path / "hold", "denoise", 2) as fakes:
        process = started("new", face, speech, "--run", "x", fakes=fakes)
        wait_for(process, tmp_path / "x", "clip_denoised  1")
        process.kill()
    process.communicate()
    with held(tmp_path / "hold", "load", 0) as fakes:
        process = started("resume", "x", fakes=fakes)
        wait_until((tmp_path / "hold/load.0.reached").exists, of=process)
        stop(process, tmp_path / "x")


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
    wait_for(process, tmp_path / "x", event)
    time.sleep(0.5)  # into the work that begins then; it takes seconds
    stop(process, tmp_path / "x")


def test_while_a_carry_is_written(
    face: Path, speech: Path, tmp_path: Path, started: Start, longtake: Call
) -> None:
    """Carries after every clip; the film is finished afterwards."""
    words = ["new", face, speech, "--run", "x", "--carry-every", "1", "--infer-frames", "12"]
    process = started(*words, fakes={"FAKE_DENOISE": "0.1"})
    wait_for(process, tmp_path / "x", "carry_published")
    stop(process, tmp_path / "x")
    assert longtake("resume", "x")[0] == 0
