"""--keep-going: started again in a new process until the film is done, or until nothing comes of it."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.upkeep.child_process import module_command, restart_command
from pipeline.upkeep.supervisor import (
    Supervisor,
    bytes_needed_by,
    count_finished_stages,
    may_pass,
)
from storage.errors import RankLost
from storage.run import Run
from tests.faults.disks import memory_disk
from tests.film_facts import inspect_film
from tests.harm import digests
from tests.waiting import LONG, held, wait_until
from tests.wavefile import write_wave

Start = Callable[..., "subprocess.Popen[str]"]


def said_by(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Its code, stdout and stderr."""
    out, err = process.communicate(timeout=LONG)
    return process.returncode, out, err


def failing(folder: Path, stage: str, times: int) -> dict[str, str]:
    """A model whose stage of a clip, "denoise.2", fails so many times."""
    folder.mkdir()
    (folder / stage).write_text(str(times))
    return {"FAKE_FAIL": str(folder)}


def test_a_clip_that_fails_and_then_does_not(
    face: Path, speech: Path, tmp_path: Path, started: Start
) -> None:
    """Four faults are more than one process tries: the second finishes the film; one path on stdout."""
    fakes = failing(tmp_path / "fail", "denoise.2", 4)
    words = ["new", face, speech, "--run", "x", "--retry-delay", "0", "--keep-going"]
    code, out, err = said_by(started(*words, fakes=fakes))
    assert code == 0, err
    assert out == f"{tmp_path / 'x/video.mp4'}\n"
    assert err.count("longtake: It ended with code 4; started again.") == 1
    assert inspect_film(tmp_path / "x/video.mp4").frames == 225
    told = [json.loads(line) for line in (tmp_path / "x/events.jsonl").read_text().splitlines()]
    assert [each["code"] for each in told if each["event"] == "run_restarted"] == [4]


@pytest.mark.parametrize(
    "asked",
    [
        ("retake", "old", "--clip", 1, "--until", 4),
        ("redub", "old", "--audio", "words.wav", "--from", "2s", "--until", "7.2s"),
    ],
    ids=["retake", "redub"],
)
def test_a_retake_and_a_redub_are_kept_going(
    face: Path, speech: Path, tmp_path: Path, started: Start, asked: tuple[object, ...]
) -> None:
    """Four faults of a clip are more than one process tries: the next goes on in the new run, with the seed that was drawn, to the bytes of the unbroken one, and the old run is as it was."""
    write_wave(tmp_path / "words.wav", 5)
    assert said_by(started("new", face, speech, "--run", "old"))[0] == 0
    before = digests(tmp_path / "old")
    fakes = failing(tmp_path / "fail", "denoise.2", 4)
    words = [*asked, "--retry-delay", "0"]
    code, out, err = said_by(started(*words, "--run", "x", "--keep-going", fakes=fakes))
    assert code == 0, err
    assert out == f"{tmp_path / 'x/video.mp4'}\n"
    assert err.count("longtake: It ended with code 4; started again.") == 1
    seed = str(Run.open(tmp_path / "x").spec.takes[-1].seed)
    assert said_by(started(*words, "--run", "y", "--seed", seed))[0] == 0
    made, unbroken = (tmp_path / name / "video.mp4" for name in "xy")
    assert made.read_bytes() == unbroken.read_bytes()
    assert digests(tmp_path / "old") == before


def test_a_redub_that_is_killed_is_gone_on_with(
    face: Path, speech: Path, tmp_path: Path, started: Start
) -> None:
    """By SIGKILL while it makes a clip."""
    write_wave(tmp_path / "words.wav", 5)
    assert said_by(started("new", face, speech, "--run", "old"))[0] == 0
    words = [
        "redub",
        "old",
        "--audio",
        "words.wav",
        "--from",
        "2s",
        "--until",
        "7.2s",
        "--run",
        "x",
    ]
    with held(tmp_path / "hold", "denoise", 2) as fakes:
        process = started(*words, "--keep-going", fakes=fakes)
        wait_until((tmp_path / "x/commits/latents.00001.json").exists, of=process)
        os.kill(json.loads((tmp_path / "x/run.lock").read_text())["process"], signal.SIGKILL)
    code, _, err = said_by(process)
    assert code == 0, err
    assert "longtake: It ended with signal 9; started again." in err
    assert inspect_film(tmp_path / "x/video.mp4").frames == 225


def test_what_was_fitted_goes_on_and_is_found_again(
    face: Path, speech: Path, tmp_path: Path, started: Start
) -> None:
    """--fit makes it smaller in the first of the processes; the next one and the same command later know that film."""
    fakes = failing(tmp_path / "fail", "denoise.2", 4)
    with memory_disk(tmp_path / "disk", "size=5m") as disk:
        words = ["new", face, speech, "--run", disk / "run", "--size", "512*512", "--fit"]
        words += ["--keep-steps", "none", "--carry-every", "0", "--keep-frames", "none"]
        words += ["--retry-delay", "0", "--keep-going"]
        code, _, err = said_by(started(*words, fakes=fakes))
        assert code == 0, err
        assert err.count("started again") == 1
        settings = json.loads((disk / "run/run.json").read_text())["settings"]
        assert settings["asked_size"] == "512*512"
        code, out, err = said_by(started(*words))
        assert code == 0, err
        assert out == f"{disk / 'run/video.mp4'}\n"


def test_a_clip_that_always_fails_ends_it(
    face: Path, speech: Path, tmp_path: Path, started: Start
) -> None:
    """Three processes in a row without a clip: its own code, and no fourth."""
    fakes = failing(tmp_path / "fail", "decode.1", 99)
    words = ["new", face, speech, "--run", "x", "--retry-delay", "0", "--retry-limit", "1"]
    code, out, err = said_by(started(*words, "--keep-going", fakes=fakes))
    assert (code, out) == (4, "")
    assert err.count("Clip 1 failed once while decoding") == 3
    assert err.splitlines()[-1] == (
        "longtake: It has failed 3 times in a row and no clip came of it: given up."
    )


def test_a_hung_device_and_a_killed_process_are_gone_on_with(
    face: Path, speech: Path, tmp_path: Path, started: Start
) -> None:
    """The watchdog's end and kill -9 are reasons to start again."""
    words = ["new", face, speech, "--run", "x", "--keep-going"]
    with held(tmp_path / "hold", "denoise", 2) as fakes:
        process = started(*words, fakes=fakes)
        wait_until(lambda: count_finished_stages(tmp_path / "x") >= 3, of=process)
        holder = json.loads((tmp_path / "x/run.lock").read_text())
        assert holder["process"] != process.pid
        os.kill(holder["process"], signal.SIGKILL)
    code, _, err = said_by(process)
    assert code == 0, err
    assert "longtake: It ended with signal 9; started again." in err


def test_bad_input_is_not_tried_twice(
    face: Path, speech: Path, tmp_path: Path, started: Start
) -> None:
    """One line, code 2, no run."""
    code, _, err = said_by(
        started("new", face, speech, "--run", "x", "--size", "7*7", "--keep-going")
    )
    assert code == 2
    assert err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_process_killed_before_there_is_a_run_is_started_again(tmp_path: Path) -> None:
    """Its end says nothing of what was asked; in the folder that the run is to have nothing is written."""
    root, second = tmp_path / "x", tmp_path / "second"
    root.mkdir()
    lines: list[str] = []
    command = ["sh", "-c", 'test -e "$0" || { touch "$0"; kill -9 $$; }', str(second)]
    assert Supervisor(command, root, lines.append).run() == 0
    assert lines == ["It ended with signal 9; started again."]
    assert not list(root.iterdir())


def test_a_signal_ends_all_of_it(face: Path, speech: Path, tmp_path: Path, started: Start) -> None:
    """SIGTERM to the one who watches: the one who works stops politely, nobody is started again, the code is 143."""
    words = ["new", face, speech, "--run", "x", "--keep-going"]
    with held(tmp_path / "hold", "denoise", 2) as fakes:
        process = started(*words, fakes=fakes)
        wait_until(lambda: count_finished_stages(tmp_path / "x") >= 3, of=process)
        process.send_signal(signal.SIGTERM)
    code, _, err = said_by(process)
    assert code == 143
    assert err.count("Stopped by SIGTERM. What is finished is kept; go on with: longtake res") == 1
    assert "started again" not in err


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    """Not started again before so much is free as the run said that it needs."""
    (tmp_path / "commits").mkdir()
    (tmp_path / "run.json").touch()
    events = tmp_path / "events.jsonl"
    events.write_text(json.dumps({"event": "space_short", "time": 1, "needed": 1 << 60}) + "\n")
    assert bytes_needed_by(tmp_path) == 1 << 60
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        events.write_text("")

    supervisor = Supervisor(["sh", "-c", "exit 5"], tmp_path, tell)
    supervisor._pause = lambda _: setattr(supervisor, "_signal", signal.SIGTERM)  # type: ignore[method-assign]
    assert supervisor.run() == 143
    assert lines[0].startswith("Waiting until 1152921504.61 GB are free for")


def test_the_same_door_is_taken_again() -> None:
    """However the program was started; called from Python, as `python -m pipeline`."""
    words = restart_command(["resume", "x"], ["no", "such", "words"])
    assert words == module_command("pipeline", "resume", "x")


def test_a_rank_lost_before_there_is_a_run_is_no_end(tmp_path: Path) -> None:
    """It is killed while it loads as well as later; what longtake itself got wrong there would come again."""
    assert may_pass(RankLost.exit_code, tmp_path / "none")
    assert may_pass(-9, tmp_path / "none")
    assert not may_pass(1, tmp_path / "none")
