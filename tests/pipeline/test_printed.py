"""Words that somebody else chose act on no terminal, are no lines of their own, and no fault: prompts, names, events, records."""

import io
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands.command import print_words
from pipeline.monitor.plain_console import PlainConsole
from storage.run import Run

Call = Callable[..., tuple[int, str, str]]
EVIL = "\x1b]0;owned\x07\x1b[31m<b>[bold]x[/]\r\n[SUCCESS] Clip 7 generated \u202egnp.exe\x9b"
ACTS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_no_verb_lets_them_act(face: Path, speech: Path, tmp_path: Path, longtake: Call):
    """In a prompt and in the names of the run and of its film, on screens, in the log, on the page and in JSON."""
    name = EVIL.replace("/", "|")
    said = [longtake("new", face, speech, "--run", name, "--prompt", EVIL)]
    run = Run.open(tmp_path / name)
    with run.events_path.open("a", encoding="utf-8") as events:
        fault = {"event": "clip_failed", "time": 1, "clip": EVIL, "stage": EVIL, "error": EVIL}
        events.write(json.dumps(fault) + "\n")
    (run.root / EVIL.replace("/", "|")).touch()
    (run.root / "video.mp4").unlink()
    verbs = ("status", "inspect", "verify", "mux --partial", "verify --repair", "resume", "report")
    said += [longtake(verb.split()[0], name, *verb.split()[1:]) for verb in verbs]
    assert [code for code, _, _ in said] == [0, 0, 0, 3, 0, 0, 0, 0], said
    # The last line of these is for the next program: the path as it is.
    paths = {0, 4, 6, 7}
    for number, (_, out, err) in enumerate(said):
        shown = out.replace(str(tmp_path / name), "") if number in paths else out
        told = shown.replace(name, "") + err
        assert not ACTS.search(told), (number, told)
        assert "\n[SUCCESS] Clip 7" not in told
    log = (run.root / "inference.log").read_text(encoding="utf-8")
    page = (run.root / "report.html").read_text(encoding="utf-8")
    assert not ACTS.search(log)
    assert "\n[SUCCESS] Clip 7" not in log
    assert not ACTS.search(page)
    assert "<b>[bold]" not in page


def test_an_error_is_one_line(longtake: Call):
    """Whatever it names."""
    code, _, err = longtake("status", f"{EVIL}/x")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert not ACTS.search(err.rstrip("\n"))


def test_only_colours_of_ours_reach_a_terminal():
    """What is drawn is spelled, whether as a line, in a table or as text with a style; styles still work."""
    from rich.table import Table
    from rich.text import Text

    file = io.StringIO()
    console = PlainConsole(file=file, force_terminal=True, markup=False, color_system="standard")
    table = Table("a\x1b[2J")
    table.add_row(Text("b\x1b]0;x\x07", style="red"))
    for each in ("c\x1b[8m", table, Text("d\x9b8m")):
        console.print(each)
    drawn = file.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", drawn).replace("\n", "").isprintable()
    assert "\x1b[31mb" in drawn
    assert "\x1b[8m" not in drawn


def test_lines_may_be_several_where_they_are_ours(capsys: pytest.CaptureFixture[str]):
    """A traceback keeps its lines; what else is in it is spelled."""
    print_words("one\ntwo\x1b[2J")
    assert capsys.readouterr().out == "one\ntwo\\x1b[2J\n"


@pytest.fixture
def oddly_named(face: Path, speech: Path) -> list[Path]:
    """A picture and a sound whose names are no UTF-8."""
    return [each.rename(each.with_name(f"f\udce9{each.suffix}")) for each in (face, speech)]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--run", "caf\udce9"], 2),
        (["--run", "caf\udce9/run"], 2),
        (["--run", "x", "--prompt", "caf\udce9"], 2),
        (["--run", "x", "--output-file", "caf\udce9.mp4"], 2),
        (["--run", "x"], 0),
    ],
)
def test_what_is_no_utf8_is_refused_before_any_work_or_does_no_harm(
    oddly_named: list[Path],
    tmp_path: Path,
    words: list[str],
    code: int,
    started: Callable[..., "subprocess.Popen[str]"],
):
    """A folder, a film or a prompt by such bytes is refused, and nothing is left; a picture and a sound may have any name."""
    process = started("new", *oddly_named, *words)
    said = process.communicate()[1]
    assert process.returncode == code, said
    assert "fault" not in said
    if code:
        assert "UTF-8" in said
        assert sorted(tmp_path.iterdir()) == sorted(oddly_named)
    else:
        assert Run.open(tmp_path / "x").records.complete("video")
