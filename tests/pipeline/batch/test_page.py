"""The page about all films of a table."""

import re
from pathlib import Path

import pytest

from .conftest import Run, Write


def test_page_shows_every_film(table: Write, run_batch: Run, tmp_path: Path) -> None:
    """A picture and a link for one that is there, the reason of another; it is written anew by the next call, and over no other file."""
    path = table({"prompt": "<b>"}, {"image": "nowhere.png"})
    page = tmp_path / "all.html"
    page.write_text("mine", encoding="utf-8")
    done = run_batch(path, "--report", page)
    assert (done.returncode, page.read_text()) == (2, "mine"), "asked before any work"
    assert not (tmp_path / "runs").exists()
    page.unlink()
    for state in ("made", "there"):
        assert run_batch(path, "--report", page).returncode == 9
        text = page.read_text(encoding="utf-8")
        assert f"1 {state}, 1 failed" in text
        assert len(re.findall("<img [^>]*data:image/jpeg", text)) == 1
        assert "href='runs/face-speech/video.mp4'>film</a>" in text
        assert "nowhere.png cannot be used" in text


def test_page_shows_a_film_on_a_store(
    table: Write, run_batch: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of the working folder of the machine that made it; of another machine's it names the URL alone."""
    path, page = table({"run": f"file://{tmp_path}/store/films/a"}), tmp_path / "all.html"
    for machine, pictures in (("one", 1), ("two", 0)):
        monkeypatch.setenv("LONGTAKE_STORE_CACHE", str(tmp_path / machine))
        done = run_batch(path, "--report", page)
        assert done.returncode == 0, done.stderr
        text = page.read_text(encoding="utf-8")
        assert bool([*(tmp_path / machine).rglob("*.mp4")]) == bool(pictures), "none is brought"
        assert len(re.findall("<img [^>]*data:image/jpeg", text)) == pictures
        assert ("/a/video.mp4'>film</a>" in text) == bool(pictures)
        assert f"file://{tmp_path}/store/films/a<br>" in text
