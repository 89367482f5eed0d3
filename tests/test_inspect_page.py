"""docs/inspect.md is a notebook: every command and every block of Python on it runs, in its order, on a film of pocket."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from wavefile import write_wave  # noqa: E402

PAGE = (ROOT / "docs" / "inspect.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SMALL = ["--size", "128*128", "--sample-steps", "3", "--infer-frames", "24"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the examples' names in it, the sound a short one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "joon.png", tmp_path / "examples")
    write_wave(tmp_path / "examples" / "tea.wav", 4.7)
    return tmp_path


def run_command(line: str) -> None:
    """A longtake command, in this process; the film small. What is fitted is another test's."""
    from pipeline.cli import main

    words = shlex.split(line, comments=True)
    assert words[0] == "longtake"
    assert main(words[1:] + (SMALL if words[1] == "new" else [])) == 0, line


@pytest.mark.filterwarnings("ignore:.*consolidated.*")
def test_the_page_runs(place: Path, capsys: pytest.CaptureFixture[str]):
    """From the first block to the last, in one place and one namespace; its pictures are there in the end."""
    names: dict[str, object] = {}
    for kind, text in BLOCKS:
        if kind == "sh":
            for line in text.splitlines():
                run_command(line)
        else:
            exec(compile(text, "docs/inspect.md", "exec"), names)  # the page is ours
        if not (place / "runs" / "again").exists():
            shutil.copytree(place / "runs" / "tea", place / "runs" / "again")
    for picture in ("tea-clip3.png", "tea.png", "x.png", "tea-clip3-audio.png", "step.png"):
        assert (place / picture).stat().st_size > 500
    assert "▀" in capsys.readouterr().out
    assert len([kind for kind, _ in BLOCKS if kind == "python"]) >= 10
