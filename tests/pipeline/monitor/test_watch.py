"""A run that is looked at: live, crashed, hung and finished, on a pipe and on a terminal."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import api
from pipeline.monitor import status, watch
from pipeline.monitor.event_reader import EventTail
from pipeline.monitor.status import StatusReader, describe_stall, read_status
from storage.run import Run
from tasks.request import Request
from tests.waiting import held, wait_until

Call = Callable[..., tuple[int, str, str]]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def live(
    face: Path, speech: Path, tmp_path: Path, started: Start
) -> Iterator["subprocess.Popen[str]"]:
    """A process that makes the run `x`, nineteen clips, and comes to clip 10 until it is let go."""
    words = ["new", face, speech, "--run", "x", "--infer-frames", "12"]
    with held(tmp_path / "hold", "denoise", 10) as fakes:
        process = started(*words, fakes=fakes)
        try:
            wait_for(process, tmp_path / "x", "clip_published")
            yield process
        finally:
            process.kill()
            process.communicate()


def let_go(process: "subprocess.Popen[str]", tmp_path: Path) -> int:
    """The film is made to its end; the code."""
    (tmp_path / "hold/denoise.10").unlink()
    process.communicate()
    return process.returncode


def wait_for(process: "subprocess.Popen[str]", root: Path, event: str) -> None:
    """Until the run has told of it."""
    events = root / "events.jsonl"
    wait_until(lambda: any(name == event for name, *_ in EventTail(events).read()), of=process)


def contents(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a folder with its bytes and the time of its last change."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_live_run_is_followed_to_its_end(
    live: "subprocess.Popen[str]", tmp_path: Path, started: Start
):
    """On a pipe: a line a change, clips that only grow, the film's path at the end, code 0."""
    watcher = started("status", "x", "--watch")
    assert watcher.stdout is not None
    first = watcher.stdout.readline()
    assert " working " in first
    assert " fps, 0:00:" in first
    assert let_go(live, tmp_path) == 0
    lines = [first, *watcher.communicate()[0].splitlines()]
    counts = [int(line.split("/")[0].split()[-1]) for line in lines]
    assert counts == sorted(counts)
    assert "finished 19/19 clips" in lines[-1]
    assert lines[-1].endswith("video.mp4")


def test_ctrl_c_ends_the_look_and_not_the_film(
    live: "subprocess.Popen[str]", tmp_path: Path, started: Start
):
    """Code 130, one line that says so; the run goes on to its film."""
    watcher = started("status", "x", "--watch")
    assert watcher.stdout is not None
    assert watcher.stdout.readline()
    watcher.send_signal(signal.SIGINT)
    _, said = watcher.communicate()
    assert watcher.returncode == 130
    assert said == "longtake: No longer watching; the run goes on.\n"
    assert let_go(live, tmp_path) == 0


def test_a_reader_that_has_gone_ends_the_look(
    face: Path, speech: Path, tmp_path: Path, started: Start
):
    """`status --watch | head -1`: code 0 at once, also where nothing more is told of the run."""
    maker = started("new", face, speech, "--run", "x", fakes={"FAKE_DENOISE": "600"})
    try:
        wait_for(maker, tmp_path / "x", "run_started")
        with started("status", "x", "--watch") as watcher:
            assert watcher.stdout is not None
            assert " working 0/5 clips" in watcher.stdout.readline()
            watcher.stdout.close()
        assert watcher.returncode == 0
        assert maker.poll() is None
    finally:
        maker.kill()
        maker.communicate()


def test_a_killed_run_stands_still_and_is_not_touched(
    live: "subprocess.Popen[str]",
    tmp_path: Path,
    longtake: Call,
    monkeypatch: pytest.MonkeyPatch,
):
    """Code 4, how many clips are there; no file of the run has changed."""
    live.kill()
    live.communicate()
    monkeypatch.setattr(watch, "STILL_SECONDS", 0.0)
    before = contents(tmp_path / "x")
    code, out, _ = longtake("status", "x", "--watch")
    assert code == 4
    assert " stopped " in out
    assert contents(tmp_path / "x") == before


def test_a_run_that_is_started_again_is_waited_for(live: "subprocess.Popen[str]", tmp_path: Path):
    """Between two processes of --keep-going nobody works on it, and it is not given up at once."""
    live.kill()
    live.communicate()
    found = StatusReader(Run.open(tmp_path / "x")).read()
    assert found.state == "stopped"
    assert found.quiet is not None
    assert watch.is_over(found) == (found.quiet > watch.STILL_SECONDS)


def test_a_finished_run_is_told_at_once(face: Path, speech: Path, tmp_path: Path, longtake: Call):
    """One line, or one line of JSON with --json."""
    api.new(Request(face, speech, run=tmp_path / "x"))
    code, out, _ = longtake("status", "x", "--watch")
    assert (code, len(out.splitlines())) == (0, 1)
    code, out, _ = longtake("status", "x", "--watch", "--json")
    assert code == 0
    assert json.loads(out)["clips_done"] == 5


def test_no_run_is_no_run(longtake: Call):
    """Code 2, as for `status`."""
    assert longtake("status", "nowhere", "--watch")[0] == 2


def test_on_a_terminal_it_is_drawn_in_place(
    live: "subprocess.Popen[str]", tmp_path: Path, started: Start
):
    """The same lines are written over, the bar and the clips among them; the last drawing stays."""
    ours, theirs = pty.openpty()
    kind = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    watcher = started("status", "x", "--watch", fakes=kind, stdout=theirs)
    os.close(theirs)
    said = os.read(ours, 1 << 16).decode(errors="replace")
    assert let_go(live, tmp_path) == 0
    said += read_all(ours)
    assert (watcher.communicate()[1], watcher.returncode) == ("", 0)
    assert said.count("\x1b[1A") > 5, "the cursor goes up to write over"
    assert "19 of 19 clips" in said
    assert "finished" in said
    assert "denoise 0." in said


def read_all(terminal: int) -> str:
    """What is written to a terminal until nobody has it open."""
    said = b""
    while True:
        try:
            block = os.read(terminal, 1 << 16)
        except OSError:  # Linux says so when the other end is closed
            break
        if not block:
            break
        said += block
    os.close(terminal)
    return said.decode(errors="replace")


def test_a_hung_process_is_told(
    face: Path, speech: Path, tmp_path: Path, started: Start, monkeypatch: pytest.MonkeyPatch
):
    """A process that lives and tells nothing: since when, and what the watchdog will do."""
    process = started("new", face, speech, "--run", "x", fakes={"FAKE_DENOISE": "600"})
    try:
        wait_for(process, tmp_path / "x", "run_started")
        monkeypatch.setattr(status, "_UNUSUAL", 0.0)
        found = StatusReader(Run.open(tmp_path / "x")).read()
    finally:
        process.kill()
        process.communicate()
    assert found.state == "working"
    assert found.stall is not None
    assert "it may hang" in found.stall
    assert "The watchdog ends it with code 6 when nothing has moved for 1:00:00 h" in found.stall


def test_quiet_is_measured_by_what_is_usual():
    """Nothing is said of a pause that is no wonder; the watchdog's own rule is told, or that there is none."""
    assert describe_stall(900, 19.0, 1.0) is None
    assert describe_stall(900, 70.0, 20.0) is None
    told = describe_stall(900, 95.0, 5.0)
    assert told is not None
    assert "nothing was told for 95 s, where a clip usually takes 5.0 s" in told
    assert "for 15:00 min, in 13:25 min at the earliest" in told
    long = describe_stall(900, 500.0, 120.0)
    assert long is not None
    assert "for 20:00 min" in long, "ten times the usual"
    off = describe_stall(0, 95.0, 5.0)
    assert off is not None
    assert "The watchdog is off" in off


def test_the_cards_figures_reach_another_process(
    face: Path, speech: Path, tmp_path: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """What the driver says after each clip is an event of that clip, and no more than one; status has the last."""
    monkeypatch.setenv("FAKE_CARD", "93000000000 143771000000 71 98")
    api.new(Request(face, speech, run=tmp_path / "x"))
    events = list(EventTail(tmp_path / "x/events.jsonl").read())
    sampled = [facts["clip"] for name, facts, _ in events if name == "device_sampled"]
    assert sampled == list(range(5))
    device = json.loads(longtake("status", "x", "--json")[1])["device"]
    assert device == {"used": 93e9, "total": 143771e6, "temperature": 71, "load": 98}


def test_without_a_card_nothing_is_said_of_one(face: Path, speech: Path, tmp_path: Path):
    """No event, no figure, no fault."""
    api.new(Request(face, speech, run=tmp_path / "x"))
    assert "device_sampled" not in (tmp_path / "x/events.jsonl").read_text()
    assert read_status(Run.open(tmp_path / "x")).device == {}


def test_a_tail_gives_each_event_once(tmp_path: Path):
    """A half-written line waits for its end, a damaged one is passed over, a new file is read from its start."""
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    assert list(tail.read()) == []
    path.write_bytes(b'{"event": "a", "time": 1}\n\xff torn\n[]\n{"event": "b", "ti')
    assert [name for name, *_ in tail.read()] == ["a"]
    with path.open("ab") as file:
        file.write(b'me": 2}\n')
    assert list(tail.read()) == [("b", {}, 2.0)]
    assert list(tail.read()) == []
    path.write_bytes(b'{"event": "c", "time": 3}\n')
    assert [name for name, *_ in tail.read()] == ["c"]


def test_a_look_finds_what_was_lost(face: Path, speech: Path, tmp_path: Path):
    """The reader counts along with the events, and counts anew where a clip was withdrawn."""
    run = Run.open(api.new(Request(face, speech, run=tmp_path / "x")).run)
    reader = StatusReader(run)
    assert reader.read().clips_done == 5
    run.records.withdraw("segment", 2)
    assert reader.read().clips_done == 4
