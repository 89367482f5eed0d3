"""One clip looked into: pictures that show the film, numbers that name what is wrong."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.inspect import inspect_clip
from storage.run import Run, Start
from storage.spec import Settings
from tasks.request import Request, resolve

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(face: Path, speech: Path, tmp_path: Path) -> Run:
    """A run whose latents are 16 numbers a square of 16×16 pixels of its frames, and whose steps go from noise to them."""
    asked = Request(face, speech, run=tmp_path / "drawn", width=64, height=48)
    spec = dataclasses.replace(resolve(asked).spec, latent_channels=16)
    run = Run.create(tmp_path / "drawn", Start(spec, Settings(), {}, {}, face, speech))
    chance = np.random.default_rng(0)
    code = chance.normal(0, 1, (16, 6)).astype(np.float32)
    for clip in range(2):
        frames = np.stack([drawing(clip * 48 + frame) for frame in range(48)])
        latents = np.stack([encode(frame, code) for frame in frames[2::4]], 1)
        noise = chance.normal(0, 1, latents.shape).astype(np.float32)
        steps = np.stack([latents * part + noise * (1 - part) for part in (0.3, 0.6, 0.9, 1)])
        run.steps.publish(clip, steps.astype(np.float32))
        run.latents.publish(clip, latents)
        run.frames.publish(clip, frames)
    return run


def drawing(frame: int) -> np.ndarray:
    """A slope of colours that moves."""
    y, x = np.mgrid[:48, :64].astype(np.float32)
    return (
        np.stack([(x * 3 + frame * 2) % 256, y * 5, 255 - x * 2 - y], -1)
        .clip(0, 255)
        .astype(np.uint8)
    )


def encode(frame: np.ndarray, code: np.ndarray) -> np.ndarray:
    """Mean and slope of each square, spread over 16 channels: [c, h, w]."""
    squares = frame.astype(np.float32).reshape(3, 16, 4, 16, 3) / 255
    mean = squares.mean((1, 3))
    slope = squares[:, :, :, 8:].mean((1, 3)) - squares[:, :, :, :8].mean((1, 3))
    return np.einsum("hwk,ck->chw", np.concatenate([mean, slope], -1), code)


def test_pictures_show_the_film_step_by_step(run: Run, tmp_path: Path):
    """A row a step, from noise to the frame; the last row is close to the frames themselves."""
    found = inspect_clip(run, 1, output_file=tmp_path / "strip.png")
    assert "learnt from this run's own frames" in found.drawn
    strip = np.asarray(Image.open(found.picture)).astype(np.float32)
    assert strip.shape == (18 + 4 * (96 + 2), 48 + 12 * (128 + 2), 3)
    errors = []
    for step in range(4):
        top = 18 + step * 98
        cell = Image.fromarray(strip[top : top + 96, 48 : 48 + 128].astype(np.uint8)).resize(
            (64, 48)
        )
        errors.append(np.abs(np.asarray(cell).astype(np.float32) - drawing(48 + 2)).mean())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 12
    assert errors[0] > 20


def test_one_step_alone_is_larger(run: Run, tmp_path: Path):
    """--step gives one row of twice the size, and its numbers only."""
    found = inspect_clip(run, 0, step=2, output_file=tmp_path / "strip.png")
    with Image.open(found.picture) as strip:
        assert strip.size == (48 + 12 * 258, 18 + 194)
    assert {row.step for row in found.numbers} == {2}
    assert len(found.numbers) == 16


def test_numbers_name_the_channel_with_a_nan(run: Run, tmp_path: Path, longtake: Call):
    """NaN and infinity are counted per channel, and do not spoil the other figures, the picture or the JSON."""
    steps = run.steps.read(1).copy()
    steps[1, 3, 0, 0, :2] = np.nan, np.inf
    steps[1, 5] = np.nan
    run.records.withdraw("steps", 1)
    run.steps.publish(1, steps)
    code, out, err = longtake(
        "inspect", run.root, "--clip", "1", "--json", "--output-file", "strip.png"
    )
    assert code == 0, err
    rows = {(row["step"], row["channel"]): row for row in json.loads(out)["numbers"]}
    assert rows[1, 3]["nan"] == 2
    assert rows[1, 3]["low"] == pytest.approx(float(np.nanmin(steps[1, 3])))
    assert rows[1, 5]["mean"] is None
    assert rows[1, 5]["nan"] == 12 * 12
    assert sum(row["nan"] for row in rows.values()) == 2 + 144
    assert (tmp_path / "strip.png").stat().st_size > 1000


def test_frames_come_out_of_the_segment_where_they_are_not_kept(
    face: Path, speech: Path, longtake: Call
):
    """Neither frames nor steps kept: the segment teaches the map, and the latents are the only row."""
    words = ["--keep-frames", "none", "--keep-steps", "none"]
    assert longtake("new", face, speech, "--run", "x", *words)[0] == 0
    code, out, err = longtake("inspect", "x", "--clip", "4", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["steps"] == 1
    assert "own frames" in found["drawn"]
    assert Path("x-clip4.png").is_file()


def test_a_clip_before_its_first_frame_is_shown_too(run: Run, tmp_path: Path):
    """Crashed between denoising and decoding: three directions of the latents stand for colours."""
    for clip in range(2):
        run.records.withdraw("frames", clip)
    found = inspect_clip(run, 0, output_file=tmp_path / "strip.png")
    assert "no frame teaches more" in found.drawn
    assert np.asarray(Image.open(found.picture)).std() > 20


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--clip", "5"], 2, "the film has clips 0 to 4"),
        (["--clip", "-1"], 2, "the film has clips 0 to 4"),
        (["--clip", "0", "--step", "4"], 2, "this clip has steps 0 to 3"),
        (["--clip", "3"], 3, "has not been made yet"),
    ],
)
def test_what_is_not_there_is_said(
    words: list[str], code: int, says: str, run: Run, longtake: Call
):
    """One line, an exit code, no picture."""
    ended, out, err = longtake("inspect", run.root, *words)
    assert ended == code
    assert says in err
    assert not out
    assert not list(Path.cwd().glob("*clip*.png"))


def test_looking_needs_no_lock_and_changes_nothing(run: Run, tmp_path: Path, longtake: Call):
    """While another holds the lock, too; the folder is as it was."""
    with run.lock():
        before = {path: path.stat().st_mtime_ns for path in run.root.rglob("*")}
        assert longtake("inspect", run.root, "--clip", "0")[0] == 0
        assert {path: path.stat().st_mtime_ns for path in run.root.rglob("*")} == before


def test_no_model_is_loaded(run: Run, tmp_path: Path):
    """No torch for a look."""
    import subprocess
    import sys

    root = Path(__file__).parents[2]
    code = "import sys; from pipeline.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    words = ["inspect", str(run.root), "--clip", "0", "--output-file", str(tmp_path / "strip.png")]
    subprocess.run([sys.executable, "-c", code, *words], cwd=root, check=True, capture_output=True)
