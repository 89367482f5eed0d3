"""Streams that are closed, full, given up or poor in letters: no verb minds, and no film is lost for it."""

import codecs
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from wavefile import write_wave

from pipeline import api
from pipeline.commands.command import is_drawable
from pipeline.monitor.streams import ERROR_HANDLER, replace_letter
from tasks.request import Request
from tests.waiting import holds, wait_until

ROOT = Path(__file__).parents[3]
Start = Callable[..., "subprocess.Popen[str]"]

MATRIX = """
import gc, io, json, os, sys
sys.path[:0] = sys.argv.pop(1).split(":")
import fake_avatar
fake_avatar.install()
# Once for all that is forked.
import matplotlib.backends.backend_agg, matplotlib.figure, pipeline.commands.inspect, pipeline.commands.report, pipeline.inspection.clip
import pipeline.inspection.hunt, pipeline.inspection.overview, pipeline.report.write, pipeline.plan.planner, tasks.film, tasks.retake
from pipeline.cli import main
gc.freeze()  # what is looked through in a fork is copied first

def closed(number):
    os.close(number)
    setattr(sys, ("", "stdout", "stderr")[number], None)

def full(number):
    os.dup2(os.open("/dev/full", os.O_WRONLY), number)

def given_up(number):
    theirs, ours = os.pipe()
    os.close(theirs)
    os.dup2(ours, number)

def in_(encoding):
    def poor(number):
        stream = io.TextIOWrapper(io.FileIO(number, "wb", closefd=False), encoding, "strict", write_through=True)
        setattr(sys, ("", "stdout", "stderr")[number], stream)
    return poor

STREAMS = {"closed": closed, "full": full, "given up": given_up, "latin": in_("iso-8859-1"), "ascii": in_("ascii")}

def serve(words, how, out, err):
    os.environ.pop("HOME", None)
    os.environ.update(COLUMNS="1", TERM="dumb")
    os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    for number in (1, 2):
        STREAMS[how[number - 1]](number)
    code = main(words)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    return code

cases, told = json.loads(sys.argv[1]), os.dup(1)
for at, (words, how) in enumerate(cases):
    child = os.fork()
    if not child:
        code = 99
        try:
            code = serve(words, how, f"{at}.out", f"{at}.err")
        finally:
            os._exit(code)
    os.write(told, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\\n".encode())
"""
SMALL = ["--infer-frames", "12", "--prompt", "Grün – 日"]
VERBS: dict[str, tuple[list[str], int]] = {
    "help": (["--help"], 0),
    "help of a verb": (["new", "--help"], 0),
    "no verb": (["stats"], 2),
    "no run": (["status", "nöwhere"], 2),
    "plan": (["plan", "face.png", "speech.wav", "--rehearse", "no", *SMALL], 0),
    "new": (["new", "face.png", "speech.wav", "--run", "AT/x", *SMALL], 0),
    "resume": (["resume", "x"], 0),
    "status": (["status", "x"], 0),
    "status --json": (["status", "x", "--json"], 0),
    "status --watch": (["status", "x", "--watch"], 0),
    "mux": (["mux", "x", "--partial", "--output-file", "AT.mp4"], 0),
    "inspect": (["inspect", "x"], 0),
    "inspect --clip": (["inspect", "x", "--clip", "0", "--terminal"], 0),
    "inspect --audio": (["inspect", "x", "--clip", "0", "--audio"], 0),
    "inspect --hunt": (["inspect", "x", "--hunt"], 0),
    "inspect --diff": (["inspect", "x", "--diff", "y"], 3),
    "verify": (["verify", "x"], 0),
    "verify --quality": (["verify", "x", "--quality"], 7),
    "report": (["report", "x", "--output-file", "AT.html"], 0),
    "report --json": (["report", "x", "--json", "--output-file", "AT.html"], 0),
    "retake": (["retake", "x", "--clip", "1", "--seed", "7", "--run", "AT"], 0),
}
WAYS = [("ascii", "latin"), ("closed", "closed"), ("given up", "full"), ("full", "closed")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_no_stream_changes_what_a_verb_does(face: Path, tmp_path: Path):
    """Every verb with every stream: its own code (5 where a good result cannot be written), no fault, the same film."""
    write_wave(speech := tmp_path / "speech.wav", 1.0)
    small = Request(face, speech, run=tmp_path / "x", prompt="Grün – 日", infer_frames=12)
    film = api.new(small).path
    api.new(replace(small, run=tmp_path / "y", base_seed=1))
    cases = [(name, how) for how in WAYS for name in VERBS]
    asked = [
        ([word.replace("AT", f"film{at}") for word in VERBS[name][0]], how)
        for at, (name, how) in enumerate(cases)
    ]
    said = subprocess.run(
        [sys.executable, "-c", MATRIX, f"{ROOT}:{ROOT / 'tests'}", json.dumps(asked)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    codes = list(map(int, said.stdout.split()))
    wrong = []
    for at, ((name, how), code) in enumerate(zip(cases, codes, strict=True)):
        wanted = VERBS[name][1] or (5 if how[0] == "full" else 0)
        err = (tmp_path / f"{at}.err").read_text(encoding="utf-8", errors="replace")
        if code != wanted or "fault of longtake" in err or "Traceback" in err:
            wrong.append((name, how, code, err[-300:]))
        if name == "new" and (tmp_path / f"film{at}/x/video.mp4").read_bytes() != film.read_bytes():
            wrong.append((name, how, "other bytes", err[-300:]))
    assert not wrong


@pytest.mark.parametrize(
    ("kind", "drawn"), [("dumb", False), ("unknown", False), ("xterm", True), ("", True)]
)
def test_a_dumb_terminal_gets_lines(kind: str, drawn: bool, monkeypatch: pytest.MonkeyPatch):
    """A bar that cannot be drawn over itself would be a stack of bars."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", kind)
    assert is_drawable(Terminal()) is drawn
    assert not is_drawable(io.StringIO())


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_on_stderr_is_there_at_once(unbuffered: str):
    """Also of a process that is then killed, and however Python was told to buffer."""
    code = (
        "import os, signal, sys; from pipeline.monitor.streams import guarded_streams\n"
        "with guarded_streams(): print('told', file=sys.stderr); os.kill(os.getpid(), signal.SIGKILL)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stderr == "told\n"


def test_what_an_encoding_lacks_is_shown_by_what_is_like_it():
    """Signs of ours by their likeness, letters without their marks, what is like nothing as ?, a name's raw bytes as they are."""
    codecs.register_error(ERROR_HANDLER, replace_letter)
    text = "1 … 2 – 3 × 4 ≥ 5 ▁█ ⠋ é ü 日 \udcff"
    assert text.encode("ascii", ERROR_HANDLER) == b"1 ... 2 - 3 x 4 >= 5 _# * e u ? \xff"
    assert text.encode("iso-8859-1", ERROR_HANDLER).count("é".encode("iso-8859-1")) == 1
    assert text.encode("utf-8", ERROR_HANDLER).decode("utf-8", "surrogateescape") == text


def test_a_closed_descriptor_is_taken_by_no_file(tmp_path: Path):
    """With 0, 1 and 2 closed, what is opened next does not get a number that libraries write to."""
    code = (
        "import os; from pipeline.monitor.streams import guarded_streams\n"
        "with guarded_streams(): number = os.open('told', os.O_CREAT | os.O_WRONLY)\n"
        "print('lost'); os.write(number, str(number).encode())"
    )
    shell = 'exec "$0" -c "$1" <&- >&- 2>&-'
    subprocess.run(
        ["sh", "-c", shell, sys.executable, code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert int((tmp_path / "told").read_text(encoding="utf-8")) > 2


def test_where_the_working_directory_is_gone(
    face: Path, speech: Path, tmp_path: Path, started: Start
):
    """What is named in full is found and a film on its way is made; a relative name is one line and code 2."""
    (gone := tmp_path / "gone").mkdir()
    words = ["new", face, speech, "--run", tmp_path / "x"]
    maker = started(*words, fakes={"FAKE_DENOISE": "0.1"}, cwd=gone)
    wait_until(lambda: holds(tmp_path / "x/events.jsonl", "run_started"), of=maker)
    os.chdir(gone)
    gone.rmdir()
    _, err = maker.communicate()
    assert maker.returncode == 0, err
    codes = [in_this_folder("status", where).returncode for where in (tmp_path / "x", "x")]
    said = in_this_folder("new", "face.png", "speech.wav")
    assert (codes, said.returncode) == ([0, 2], 2)
    assert said.stderr.startswith("longtake: The working directory is gone.")


def in_this_folder(*words: object) -> "subprocess.CompletedProcess[str]":
    """The command line in a process that has our working directory, also where that is gone."""
    code = (
        f"import sys; sys.path[0] = {str(ROOT)!r}; from pipeline.cli import main; sys.exit(main())"
    )
    asked = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(asked, capture_output=True, text=True, check=False)
