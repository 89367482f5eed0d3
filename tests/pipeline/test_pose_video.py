"""A film with a pose video through the commands: kept, made again, shared, told."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from storage.run import Run
from storage.segments import EncoderConfig, encode_h264
from tests.waiting import wait_until

Call = Callable[..., tuple[int, str, str]]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def pose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seven seconds at 50 frames a second, ever brighter, of another size than the film; and a model that takes poses."""
    monkeypatch.setenv("FAKE_POSE", "1")
    grey = np.arange(350)[:, None, None, None] * 255 // 350
    frames = np.broadcast_to(grey, (350, 48, 32, 3)).astype(np.uint8)
    path = tmp_path / "pose.mp4"
    path.write_bytes(encode_h264(frames, EncoderConfig(50, 18, "ultrafast")))
    return path


@pytest.fixture
def film(face: Path, speech: Path) -> tuple[Path, Path]:
    """Picture and sound."""
    return face, speech


def read_all(run: Path, *folders: str) -> dict[str, bytes]:
    """All files of these folders of a run."""
    files = [path for name in folders for path in (run / name).iterdir()]
    return {str(each.relative_to(run)): each.read_bytes() for each in files}


def test_a_film_follows_its_pose_video_and_needs_its_file_no_more(
    film: tuple[Path, Path], pose: Path, tmp_path: Path, longtake: Call, started: Start
) -> None:
    """Killed, and resumed without the file that was given, it is the unbroken one; without poses it is another film, with the digest that it always had."""
    words = ("new", *film, "--pose-video", pose, "--carry-every", "2")
    assert longtake(*words, "--run", "whole")[0] == 0
    assert longtake("new", *film, "--run", "still")[0] == 0
    whole, still = Run.open(tmp_path / "whole"), Run.open(tmp_path / "still")
    assert whole.latents.digest(0) != still.latents.digest(0)
    assert (whole.spec.pose_stride, still.spec.pose) == (2, "")
    assert "pose" not in still.spec.canonical
    slow = {"FAKE_DENOISE": "0.05"}
    worker = started(*words, "--run", "broken", fakes=slow)
    wait_until((tmp_path / "broken/commits/latents.00002.json").exists, of=worker)
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()
    pose.unlink()
    assert longtake("resume", "broken")[0] == 0
    made = [
        read_all(tmp_path / name, "segments", "latents", "pose") for name in ("broken", "whole")
    ]
    assert made[0] == made[1]


def test_lost_poses_are_made_again_out_of_the_run_s_own_copy(
    film: tuple[Path, Path], pose: Path, tmp_path: Path, longtake: Call
) -> None:
    """A damaged chunk is found and made again; where the copy is lost, too, both are named, and the same command puts it back. A retake shares all of it."""
    words = ("new", *film, "--pose-video", pose, "--run", "x")
    assert longtake(*words)[0] == 0
    run = Run.open(tmp_path / "x")
    before = read_all(run.root, "pose")
    run.pose.chunk_path(1).write_bytes(b"")
    code, out, err = longtake("verify", "x")
    assert (code, "pose/c.1" in out + err) == (3, True)
    run.input_paths["pose"].unlink()
    code, out, err = longtake("verify", "x", "--repair")
    assert code == 3
    assert "inputs/pose.mp4" in out + err
    assert longtake(*words)[0] == 0
    assert longtake("verify", "x")[0] == 0
    assert read_all(run.root, "pose") == before
    code, _, err = longtake("retake", "x", "--clip", "2", "--seed", "9", "--run", "again")
    assert code == 0, err
    assert read_all(tmp_path / "again", "pose") == before
    assert longtake("verify", "again")[0] == 0


def test_what_is_done_to_a_pose_video_is_one_line(
    film: tuple[Path, Path], pose: Path, longtake: Call
) -> None:
    """Stride, size, length; the rate where movements are no longer as quick as they were."""
    words = ("plan", *film, "--rehearse", "no", "--pose-video", pose)
    code, out, _ = longtake(*words)
    assert code == 0
    said = " ".join(out.split())
    assert "The pose video (32×48, 50 frames a second): one of 2 frames is taken; fitted as the picture is (--crop cover); it ends at 0:00:07.0 of the film, and from there on there is no pose (black)" in said  # fmt: skip
    frames = np.zeros((300, 32, 32, 3), np.uint8)
    pose.write_bytes(encode_h264(frames, EncoderConfig(24, 18, "ultrafast")))
    said = " ".join(longtake(*words)[1].split())
    assert "its movements are 1.04 times as quick; what comes after the film's end is left out" in said  # fmt: skip


def test_what_cannot_be_a_pose_video_is_refused(
    film: tuple[Path, Path], pose: Path, tmp_path: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """One line before any work, also where the model takes none, and none is written over."""
    words = ("new", *film, "--run", "x", "--pose-video")
    for path, more, said in (
        (pose.with_name("none.mp4"), (), "there is no such file"),
        (film[1], (), "it has no picture"),
        (pose, ("--crop", "exact"), "it is 32×48 and --crop exact asks for 32×32"),
        (pose, ("--output-file", str(pose), "--overwrite"), "pose.mp4"),
    ):
        code, _, err = longtake(*words, path, *more)
        assert (code, said in err, len(err.strip().splitlines())) == (2, True, 1), err
    monkeypatch.delenv("FAKE_POSE")
    code, _, err = longtake(*words, pose)
    assert (code, "pocket takes no poses" in err) == (2, True)
    assert not (tmp_path / "x").exists()
