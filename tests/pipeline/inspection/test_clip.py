"""One clip looked into: pictures that show it, numbers that name what is wrong, and nothing of the run touched."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.inspection.clip import ClipView, inspect_clip
from storage.errors import Damaged, NotReproduced
from storage.run import Run
from tasks.replay import scratch_folder
from tests.waiting import held, wait_until

Call = Callable[..., tuple[int, str, str]]


def files_of(run: Run) -> dict[Path, tuple[bytes, int]]:
    """Every file of a run but its notes of what it put elsewhere, with its bytes and time."""
    found = (
        path
        for path in run.root.rglob("*")
        if path.is_file() and not path.match("commits/output-*")
    )
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def test_pictures_come_from_noise_step_by_step(run: Run, tmp_path: Path):
    """A row a step, a column a latent frame; each row is closer to the last than the one before."""
    found = inspect_clip(run, ClipView(1, output_file=tmp_path / "strip.png"))
    assert (
        found.drawn
        == "by a schematic face that does what pocket's motion curves say, the head's moves enlarged"
    )
    strip = np.asarray(Image.open(found.picture)).astype(np.float32)
    assert strip.shape == (18 + 4 * (128 + 2), 48 + 12 * (128 + 2), 3)
    rows = [strip[18 + step * 130 : 18 + step * 130 + 128, 48:] for step in range(4)]
    apart = [np.abs(row - rows[-1]).mean() for row in rows]
    assert apart == sorted(apart, reverse=True)
    assert apart[-2] > 2


def test_one_step_alone_is_larger(run: Run, tmp_path: Path):
    """--step gives one row of twice the size, and its numbers only."""
    found = inspect_clip(run, ClipView(0, step=2, output_file=tmp_path / "strip.png"))
    with Image.open(found.picture) as strip:
        assert strip.size == (48 + 12 * 258, 18 + 258)
    assert {row.step for row in found.numbers} == {2}
    assert len(found.numbers) == 16


def test_one_block_alone_is_that_block(run: Run, tmp_path: Path, longtake: Call):
    """--block gives three columns, its own numbers and its own times."""
    code, out, err = longtake("inspect", run.root, "--clip", "1", "--block", "2", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert Path(found["picture"]).name == "drawn-clip1-block2.png"
    with Image.open(found["picture"]) as strip:
        assert strip.size[0] == 48 + 3 * 130
    block = run.latents.read(1)[5, 6:9]
    row = next(row for row in found["numbers"] if (row["step"], row["channel"]) == (3, 5))
    assert row["mean"] == pytest.approx(block.mean(), abs=1e-5)
    assert row["high"] == pytest.approx(block.max())


def test_numbers_name_the_channel_with_a_nan(run: Run, longtake: Call):
    """NaN and infinity are counted per channel, and do not spoil the other figures, the picture or the JSON."""
    steps = run.steps.read(1).copy()
    steps[1, 3, 0, 0, :2] = np.nan, np.inf
    steps[1, 5] = np.nan
    run.records.withdraw("steps", 1)
    run.steps.publish(1, steps)
    words = ["--clip", "1", "--json", "--output-file", "strip.png"]
    code, out, err = longtake("inspect", run.root, *words)
    assert code == 0, err
    rows = {(row["step"], row["channel"]): row for row in json.loads(out)["numbers"]}
    assert rows[1, 3]["nan"] == 2
    low = steps[1, 3][np.isfinite(steps[1, 3])].min()
    assert rows[1, 3]["low"] == pytest.approx(float(low))
    assert rows[1, 5]["mean"] is None
    assert rows[1, 5]["nan"] == 12 * 64
    assert sum(row["nan"] for row in rows.values()) == 2 + 768
    assert Path("strip.png").stat().st_size > 1000


def test_a_damaged_clip_is_no_picture(run: Run):
    """What its record does not vouch for is not shown as if it were."""
    path = run.steps.chunk_path(0)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match="steps of clip 0"):
        inspect_clip(run, ClipView(0))


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--clip", "5"], 2, "the film has 5 clips, counted from 0"),
        (["--clip", "-1"], 2, "the film has 5 clips, counted from 0"),
        (["--clip", "0", "--step", "4"], 2, "this clip has 4 steps, counted from 0"),
        (["--clip", "0", "--block", "4"], 2, "a clip has 4 blocks, counted from 0"),
        (["--clip", "3"], 3, "has not been made yet"),
        (["--step", "1"], 2, "say which with --clip"),
        (["--replay"], 2, "say which with --clip"),
        (["--audio"], 2, "say which with --clip"),
        (["--hunt", "--diff", "x"], 2, "--diff says nothing with --hunt"),
        (["--hunt", "--clip", "1"], 2, "--clip says nothing with --hunt"),
        (["--diff", "x", "--output-file", "x.png"], 2, "--output-file says nothing with --diff"),
        (["--clip", "1", "--audio", "--step", "1"], 2, "--step says nothing with --audio"),
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


@pytest.mark.parametrize("words", [["--clip", "0"], [], ["--hunt"], ["--clip", "1", "--audio"]])
def test_looking_needs_no_lock_and_changes_no_file(words: list[str], run: Run, longtake: Call):
    """While another holds the lock, too; the folder is as it was, but for the note of the picture that was written."""
    with run.lock():
        before = files_of(run)
        assert longtake("inspect", run.root, *words)[0] == 0
        assert files_of(run) == before


def test_a_film_at_work_is_looked_into(
    face: Path,
    speech: Path,
    tmp_path: Path,
    longtake: Call,
    started: Callable[..., "subprocess.Popen[str]"],
):
    """While another process makes it: the clips that are there, and no others."""
    with held(tmp_path / "hold", "decode", 2) as fakes:
        working = started("new", face, speech, "--run", "x", fakes=fakes)
        wait_until(Path("x/commits/segment.00000.json").exists, of=working)
        for words in (["--clip", "0"], [], ["--hunt"], ["--clip", "0", "--audio"]):
            code, _, err = longtake("inspect", "x", *words)
            assert code == 0, err
    working.communicate()
    assert working.returncode == 0
    assert longtake("verify", "x")[0] == 0


@pytest.mark.parametrize("words", [["--clip", "0", "--block", "1", "--step", "2"], [], ["--hunt"]])
def test_no_model_is_loaded(words: list[str], run: Run, tmp_path: Path):
    """No torch and no Luigi for a look; and for a picture not even zarr."""
    root = Path(__file__).parents[3]
    code = "import sys; from pipeline.cli import main; main(sys.argv[1:]); sys.exit(str({'torch', 'luigi', 'zarr'} & {*sys.modules} or '') or 0)"
    asked = ["inspect", str(run.root), *words, "--json"]
    asked += [] if "--hunt" in words else ["--output-file", str(tmp_path / "strip.png")]
    ended = subprocess.run(
        [sys.executable, "-c", code, *asked], cwd=root, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def pruned(
    face: Path, speech: Path, longtake: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """A finished film that has kept no step, with a scratch place of the test's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    words = ["--keep-frames", "none", "--keep-steps", "none", "--carry-every", "2"]
    assert longtake("new", face, speech, "--run", "x", *words)[0] == 0
    return Run.open(Path("x").resolve())


def test_without_steps_the_latents_are_the_only_row(pruned: Run, longtake: Call):
    """And it is said how to have the others."""
    code, out, err = longtake("inspect", pruned.root, "--clip", "4", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["steps"] == 1
    assert "--replay" in found["source"]
    assert Path("x-clip4.png").is_file()
    assert not scratch_folder(pruned).exists()


def test_the_last_step_is_the_latents_and_costs_nothing(pruned: Run, longtake: Call):
    """Nothing is made again for what is there by another name."""
    code, out, err = longtake("inspect", pruned.root, "--clip", "4", "--step", "3", "--json")
    assert code == 0, err
    assert "denoised again" not in err
    assert {row["step"] for row in json.loads(out)["numbers"]} == {3}


@pytest.mark.parametrize("words", [["--step", "1"], ["--replay"]])
def test_a_pruned_step_is_made_again(words: list[str], pruned: Run, longtake: Call):
    """The price first; equal to what an unpruned film has kept; the run's bytes as they were; a second look has it at once."""
    whole = ["new", "face.png", "speech.wav", "--run", "whole", "--keep-steps", "all"]
    assert longtake(*whole)[0] == 0
    kept = Run.open(Path("whole")).steps.read(3)
    before = files_of(pruned)
    code, out, err = longtake("inspect", pruned.root, "--clip", "3", *words, "--json")
    assert code == 0, err
    price = err.index("clips 2 to 3 are denoised again (about")
    assert price < err.index("clip 2: equal to what is published")
    assert files_of(pruned) == before
    rows = {(row["step"], row["channel"]): row for row in json.loads(out)["numbers"]}
    assert rows[1, 0]["mean"] == pytest.approx(float(kept[1, 0].mean()), abs=1e-6)
    code, out, err = longtake("inspect", pruned.root, "--clip", "3", *words, "--json")
    assert code == 0
    assert "denoised again" not in err
    assert "made again before" in json.loads(out)["source"]


def test_a_replay_that_comes_out_otherwise_is_no_picture(
    pruned: Run, monkeypatch: pytest.MonkeyPatch
):
    """Other bits than those published are told, not shown."""
    monkeypatch.setenv("FAKE_DRIFT", "1")
    with pytest.raises(NotReproduced):
        inspect_clip(pruned, ClipView(3, replay=True))
    assert not list(Path.cwd().glob("x-*.png"))


def test_under_other_numerics_nothing_is_replayed(
    pruned: Run, longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """It would show another film's steps."""
    monkeypatch.setenv("FAKE_NUMERICS", "other")
    code, _, err = longtake("inspect", pruned.root, "--clip", "1", "--replay")
    assert code == 3
    assert "begun under other numerics" in err


def test_decoded_pictures_are_the_frames(face: Path, speech: Path, longtake: Call):
    """--decode of the last step gives the middle frame of each latent as the film has it, after the same past."""
    assert longtake("new", face, speech, "--run", "x", "--keep-frames", "all")[0] == 0
    words = ["--clip", "3", "--step", "3", "--decode", "--output-file", "strip.png"]
    code, _, err = longtake("inspect", "x", *words)
    assert code == 0, err
    frames = Run.open(Path("x")).frames.read(3)
    strip = Image.open("strip.png")
    for column, frame in enumerate(frames[2::4]):
        left = 48 + column * 258
        cell = np.asarray(strip.crop((left, 18, left + 256, 18 + 256)))
        wanted = Image.fromarray(frame).resize((256, 256), Image.Resampling.BILINEAR)
        assert np.array_equal(cell, np.asarray(wanted))


def test_the_terminal_shows_the_picture(run: Run, longtake: Call, monkeypatch: pytest.MonkeyPatch):
    """--terminal adds lines of coloured half blocks, as wide as the terminal."""
    monkeypatch.setenv("COLUMNS", "60")
    code, out, _ = longtake("inspect", run.root, "--clip", "0", "--terminal")
    lines = [line for line in out.splitlines() if "▀" in line]
    assert code == 0
    assert lines
    assert {line.count("▀") for line in lines} == {60}


def test_a_model_that_nobody_knows_is_guessed(face: Path, speech: Path, longtake: Call):
    """Latents of another kind than the map was fitted to: their three main directions stand for colours."""
    assert longtake("new", face, speech, "--run", "x")[0] == 0
    code, out, _ = longtake("inspect", "x", "--clip", "0", "--json")
    assert code == 0
    found = json.loads(out)
    assert "main directions" in found["drawn"]
    assert np.asarray(Image.open(found["picture"])).std() > 20
