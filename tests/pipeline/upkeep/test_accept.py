"""longtake accept: real films in real processes, one of them killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.commands.parser import parse_command
from pipeline.upkeep.accept import Check, build_words, compare_runs
from tests import forked

ROOT = Path(__file__).parents[3]
POCKET = ("--size", "64*64", "--sample-steps", "1", "--infer-frames", "12")


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    """The command, with the shipped model."""
    return forked.run(
        [sys.executable, "-m", "pipeline", "accept", *words],
        cwd=ROOT, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_a_sound_machine_is_accepted(tmp_path: Path) -> None:
    """Every check passes, and the page has the frames; the second time the folder is refused."""
    done = run(*POCKET, "--run", str(tmp_path / "a"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert done.stdout.count("files are the same bytes") == 2
    page = Path(done.stdout.splitlines()[-1])
    assert "killed and resumed" in page.read_text(encoding="utf-8")
    assert (page.parent / "frames.png").stat().st_size > 1000
    again = run(*POCKET, "--run", str(tmp_path / "a"))
    assert again.returncode == 2
    assert "is there from before" in again.stderr


def test_a_page_of_somebodys_stays(tmp_path: Path) -> None:
    """Refused before any film is made."""
    (tmp_path / "accept.html").write_text("mine")
    done = run(*POCKET, "--run", str(tmp_path))
    assert done.returncode == 2
    assert "add --overwrite" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["accept.html"]


def test_folders_of_somebodys_stay(tmp_path: Path) -> None:
    """With a file that has the mark's name: refused. With a mark of ours that a killed acceptance left: only a film that it had begun goes."""
    thesis = tmp_path / "whole" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("mine")
    (tmp_path / "accept.lock").write_text("mine")
    done = run(*POCKET, "--run", str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "accept.lock is there, and is not longtake's" in done.stderr
    (tmp_path / "accept.lock").write_text("longtake\n")
    (tmp_path / "broken" / "film").mkdir(parents=True)
    (tmp_path / "broken" / "film" / "thesis.txt").write_text("mine, too")
    done = run(*POCKET, "--run", str(tmp_path))
    assert done.returncode == 2
    assert "broken/film is there from before" in done.stderr
    assert thesis.read_text() == "mine"
    assert (tmp_path / "broken" / "film" / "thesis.txt").read_text() == "mine, too"


def test_a_film_that_is_refused_is_told_once_with_its_code(tmp_path: Path) -> None:
    """A sound that is none: code 2 and one line, not a fault of longtake."""
    (tmp_path / "talk.wav").write_text("no sound")
    done = run(
        "examples/mila.png", str(tmp_path / "talk.wav"), *POCKET, "--run", str(tmp_path / "a")
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].count("longtake: ") == 1


def test_other_bytes_are_seen(tmp_path: Path) -> None:
    """One changed bit of one segment fails the comparison, and is named."""
    for name, last in (("a", b"1"), ("b", b"2")):
        (tmp_path / name / "segments").mkdir(parents=True)
        (tmp_path / name / "segments" / "00000.mp4").write_bytes(b"same")
        (tmp_path / name / "segments" / "00001.mp4").write_bytes(last)
    found = compare_runs("x", tmp_path / "a", tmp_path / "b")
    assert found == Check("x", "other bytes: segments/00001.mp4", passed=False)


@pytest.mark.parametrize("flag", ["--num-clip", "--start-clip", "--run", "--output-file"])
def test_what_acceptance_settles_is_left_out(flag: str) -> None:
    """Its own folders and three clips, whatever was asked; everything else goes through."""
    words = build_words(
        parse_command(["accept", flag, "7", "--model", "pocket", "--offline"]).given
    )
    assert not any(word.startswith(f"{flag}=7") for word in words)
    assert words[-1] == "--num-clip=3"
    assert {"--model=pocket", "--offline"} <= set(words)
