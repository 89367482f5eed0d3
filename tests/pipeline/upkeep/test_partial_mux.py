"""longtake mux, on the film's own place."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipeline import api
from storage.run import Run
from tasks.request import Request

Call = Callable[..., tuple[int, str, str]]


def test_a_film_that_was_damaged_in_a_moved_run_is_whole_again(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """That of a run from before titles is called as the new folder, so its bytes are others: they are vouched for, and `verify` says whole, and what marks it lacks; a title brings them."""
    run = api.new(Request(face, speech, run=tmp_path / "x")).run
    there = Run.open(run)
    there.update_settings(replace(there.settings, title=""), there.sources)
    moved = shutil.move(run, tmp_path / "another")
    film = moved / "video.mp4"
    film.write_bytes(film.read_bytes()[:-9])
    assert longtake("verify", moved)[0] == 3
    assert longtake("mux", moved)[0] == 0
    code, out, _ = longtake("verify", moved)
    assert (code, "lacks the AIGC field and XMP" in out) == (0, True)
    assert longtake("resume", moved, "--title", "Tea")[0] == 0
    code, out, _ = longtake("verify", moved)
    assert (code, "lacks" in out) == (0, False)


def test_a_film_that_was_not_vouched_for_stays_so(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """Killed between the last segment and the soundtrack: `mux` joins, and no record says what nobody had vouched for."""
    run = api.new(Request(face, speech, run=tmp_path / "x")).run
    for name in ("commits/video.json", "commits/soundtrack.json", "video.mp4", "soundtrack.m4a"):
        (run / name).unlink()
    assert longtake("mux", run)[0] == 0
    assert (run / "video.mp4").exists()
    assert not (run / "commits/video.json").exists()
