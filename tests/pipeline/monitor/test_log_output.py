"""One stream of lines: ours, Luigi's and the warnings' in inference.log; little on stderr; a bar on a terminal."""

import io
import logging
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from rich.console import Console

from pipeline import api
from pipeline.monitor.log_output import RunLog, configure_logging, log_line
from pipeline.monitor.progress import ProgressOptions
from tasks.request import Request

Call = Callable[..., tuple[int, str, str]]
STAMPED = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ (info|warning|error|debug) \S")


def test_events_words_and_other_loggers_share_one_file(tmp_path: Path):
    """structlog's events with their facts, stdlib's lines, Python's warnings and tracebacks, in order; words for people as they are."""
    configure_logging()
    with RunLog() as journal:
        structlog.get_logger().info("before_the_folder", clip=3)
        journal.open(tmp_path / "inference.log")
        log_line("[PROGRESS] 100.0% (1/1) - Clip 0 saved")
        logging.getLogger("luigi-interface").warning("a task of %s", "Luigi")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("take care", stacklevel=1)
        try:
            raise ZeroDivisionError("oh")
        except ZeroDivisionError:
            structlog.get_logger().exception("it_failed", clip=4)
    structlog.get_logger().info("after the run")
    lines = (tmp_path / "inference.log").read_text().splitlines()
    assert lines[0].endswith(" info before_the_folder clip=3")
    assert lines[1] == "[PROGRESS] 100.0% (1/1) - Clip 0 saved"
    assert lines[2].endswith(" warning a task of Luigi")
    assert "take care" in lines[3]
    whole = "\n".join(lines)
    assert " error it_failed clip=4\n  Traceback" in whole
    assert "after the run" not in whole
    assert all(STAMPED.match(line) for line in (lines[0], lines[2], lines[3]))


def test_quiet_by_default_everything_with_debug(face: Path, speech: Path, longtake: Call):
    """Without --debug, no event and no line of Luigi's on stderr; with it, both, once each."""
    quiet = longtake("new", face, speech, "--run", "x")[2]
    assert not [line for line in quiet.splitlines() if STAMPED.match(line)]
    assert "Informed scheduler" not in Path("x/inference.log").read_text(encoding="utf-8")
    loud = longtake("new", face, speech, "--run", "y", "--debug")[2]
    assert len(re.findall(r"info clip_published clip=3 ", loud)) == 1
    assert "Informed scheduler" in loud
    assert "Informed scheduler" in Path("y/inference.log").read_text(encoding="utf-8")


def test_each_line_is_said_once_however_often_a_film_is_made(
    face: Path, speech: Path, longtake: Call
):
    """Two films in one process: no line comes twice."""
    for name in ("x", "y"):
        err = longtake("new", face, speech, "--run", name)[2]
        assert err.count("[SUCCESS] Clip 3 generated\n") == 1


def test_a_library_user_hears_nothing(face: Path, speech: Path, capsys: pytest.CaptureFixture[str]):
    """runs.new called as a function writes its log and leaves stdout alone."""
    api.new(Request(face, speech, run=Path("x").absolute()))
    assert not capsys.readouterr().out
    assert "[SUCCESS] Clip 3 generated" in Path("x/inference.log").read_text(encoding="utf-8")


def test_a_terminal_has_a_bar_and_the_log_has_the_lines(face: Path, speech: Path, tmp_path: Path):
    """Clips, frames a second and time left in one line; trouble above it; [PROGRESS] only in the log."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    configure_logging(console=console)
    api.new(
        Request(face, speech, run=tmp_path / "x", prompt="A smith."), None, ProgressOptions(console)
    )
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert re.search(r"done .*5/5 clips +\d+ fps 0:00:00 left", shown)
    assert "loading the model" in shown
    assert "tagged as AI-generated" in shown
    assert "[PROGRESS]" not in shown
    assert "[PROGRESS] 100.0% (5/5) - Clip 4 saved" in (tmp_path / "x/inference.log").read_text()


def test_no_secret_reaches_a_file(
    face: Path, speech: Path, tmp_path: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """A token in the environment is in no file of the run and on no stream."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("LONGTAKE_TOKEN", "hf_secret")
    said = longtake("new", face, speech, "--run", "x", "--debug")
    said += longtake("status", "x", "--json")
    assert not [text for text in said if "hf_secret" in str(text)]
    for path in (tmp_path / "x").rglob("*"):
        assert path.is_dir() or b"hf_secret" not in path.read_bytes()
