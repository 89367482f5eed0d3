"""The verbs at work, with the fake model and real files, processes and signals."""

import json
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import api
from storage.run import Run
from tasks import loaded_model
from tasks.request import Request
from tests.film_facts import inspect_film
from tests.waiting import LONG, held, holds, wait_until

Call = Callable[..., tuple[int, str, str]]
Start = Callable[..., "subprocess.Popen[str]"]


def wait_for(path: Path, text: str, *, process: "subprocess.Popen[str]") -> None:
    """Until a growing file holds the text."""
    wait_until(lambda: holds(path, text), of=process)


def test_new_makes_the_film_and_tells_after_each_clip(face: Path, speech: Path, tmp_path: Path):
    """The function returns what it made; the callback hears (clip_index, total_clips), each clip once, in order."""
    heard: list[tuple[int, int]] = []
    film = api.new(Request(face, speech, run=tmp_path / "x"), lambda *clip: heard.append(clip))
    assert heard == [(clip, 5) for clip in range(5)]
    assert (film.path, film.clips, film.frames, film.made) == (tmp_path / "x/video.mp4", 5, 225, 5)
    assert inspect_film(film.path).frames == 225
    again = api.new(Request(face, speech, run=tmp_path / "x"))
    assert (again.path, again.made) == (film.path, 0)


def test_resume_tells_of_the_clips_that_it_makes(face: Path, speech: Path, tmp_path: Path):
    """The callback hears the clips that were missing, as they stand in the film; of a finished film it hears nothing."""
    root = api.new(Request(face, speech, run=tmp_path / "x")).run
    run = Run.open(root)
    for clip in (1, 4):
        run.records.withdraw("segment", clip)
    heard: list[tuple[int, int]] = []
    api.resume(root, lambda *clip: heard.append(clip))
    assert heard == [(1, 5), (4, 5)]
    api.resume(root, lambda *clip: heard.append(clip))
    assert len(heard) == 2


def test_of_a_part_the_callback_hears_the_parts_clips(face: Path, speech: Path, tmp_path: Path):
    """clip_index is that of the whole film, total_clips those of the part."""
    heard: list[tuple[int, int]] = []
    request = Request(face, speech, run=tmp_path / "x", start_clip=2, num_clip=2)
    api.new(request, lambda *clip: heard.append(clip))
    assert heard == [(2, 2), (3, 2)]


def test_a_callback_that_fails_costs_no_clip(face: Path, speech: Path, tmp_path: Path):
    """A listener's fault is a line in the log."""

    def broken(clip: int, clips: int) -> None:
        raise ZeroDivisionError("the listener's own fault")

    film = api.new(Request(face, speech, run=tmp_path / "x"), broken)
    assert film.made == 5
    assert "the listener's own fault" in (tmp_path / "x/inference.log").read_text()


def test_stdout_is_the_films_path_alone(face: Path, speech: Path, longtake: Call):
    """`film=$(longtake new …)` works; everything for people is on stderr."""
    code, out, err = longtake("new", face, speech, "--run", "x")
    assert code == 0, err
    assert Path(out).name == "video.mp4\n"
    assert Path(out.strip()).is_file()
    assert "5 clips, 225 frames, 0:00:09" in err


def test_lines_that_people_grep_for(face: Path, speech: Path, tmp_path: Path, longtake: Call):
    """Word for word on stderr (no terminal) and in inference.log, and no others on stderr."""
    code, _, err = longtake(
        "new", face, speech, "--run", "x", "--prompt", "A smith.", "--ahead", "1"
    )
    assert code == 0
    log = (tmp_path / "x/inference.log").read_text()
    assert "Traceback" not in log
    plan = [line for line in err.splitlines() if line.startswith("[PLAN] 0:00:09: 225 frames")]
    assert len(plan) == 1
    wanted = [
        *plan,
        "[INFO] The prompt: it asks for nothing that the presenter can act",
        "The film is tagged as AI-generated in its metadata.",
        "[INFO] Online decode enabled. Will decode and save each clip immediately.",
        f"[INFO] Output directory set to: {tmp_path / 'x'}",
        *(f"[SUCCESS] Clip {clip} generated" for clip in range(5)),
        *(f"[PROGRESS] {20 * n}.0% ({n}/5) - Clip {n - 1} saved" for n in range(1, 6)),
    ]
    lines = [line for line in log.splitlines() if not line.startswith("20")]
    assert sorted(lines) == sorted(wanted)
    assert sorted(err.splitlines()[:-1]) == sorted(wanted)


def test_notices_are_said_once_a_run(face: Path, speech: Path, longtake: Call):
    """The second command on the same run does not say them again: what the film is, and what was understood of the prompt."""
    first, again = (
        longtake("new", face, speech, "--run", "x", "--prompt", "A smith smiles, red light.")[2]
        for _ in range(2)
    )
    for said in ("AI-generated", "The prompt: happy 0.7; not understood: red, light"):
        assert first.count(said) == 1
        assert said not in again


def test_offline_says_no_online_line(face: Path, speech: Path, longtake: Call):
    """The line that says the switch is on is there only if it is."""
    code, _, err = longtake("new", face, speech, "--run", "x", "--offline")
    assert code == 0
    assert "Online decode enabled" not in err


def test_other_numerics_are_no_fault_of_a_clip(
    face: Path, speech: Path, tmp_path: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """A refused resume says why and nothing of a clip; one that accepts the joint says where it is and how many clips are made again."""
    (tmp_path / "denoise.4").write_text("99")
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path))
    assert longtake("new", face, speech, "--run", "x", "--retry-delay", "0")[0] == 4
    monkeypatch.delenv("FAKE_FAIL")
    monkeypatch.setenv("FAKE_NUMERICS", "another")
    loaded_model._loaded.clear()
    code, _, err = longtake("resume", "x")
    assert code == 3
    assert "FATAL" not in err
    assert "was begun under other numerics: kernel was numpy, is another" in err
    status = json.loads(longtake("status", "x", "--json")[1])
    assert status["state"] == "failed"
    assert "other numerics" in status["fault"]
    code, _, err = longtake("resume", "x", "--accept-joint")
    assert code == 0
    assert "[WARN] The film has a joint before clip 0: 4 clips made before are made again\n" in err


def test_retries_and_the_end_of_them_have_their_lines(
    face: Path, speech: Path, tmp_path: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """A clip that fails is named at each try; after the last one the code is 4 and the way on is said."""
    (tmp_path / "fail").mkdir()
    (tmp_path / "fail/decode.2").write_text("1")
    (tmp_path / "fail/denoise.4").write_text("99")
    monkeypatch.setenv("FAKE_FAIL", str(tmp_path / "fail"))
    code, out, err = longtake("new", face, speech, "--run", "x", "--retry-delay", "0")
    assert code == 4
    assert not out
    assert "[RETRY] Clip 2 failed (attempt 2)\n" in err
    assert "[RETRY] Clip 4 failed (attempt 2)\n[RETRY] Clip 4 failed (attempt 3)\n" in err
    assert "[FATAL] Clip 4 failed after 3 attempts\n" in err
    assert "Clip 4 failed 3 times" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert "scripted fault of denoise 4" in (tmp_path / "x/inference.log").read_text()
    status = json.loads(longtake("status", "x", "--json")[1])
    assert status["state"] == "failed"
    assert "clip 4 failed" in status["fault"]
    assert status["retries"] == 3
    (tmp_path / "fail/denoise.4").unlink()
    assert longtake("resume", "x")[0] == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_after_the_current_write_and_says_how_to_go_on(  # noqa: PLR0917
    number: signal.Signals,
    code: int,
    face: Path,
    speech: Path,
    tmp_path: Path,
    started: Start,
    longtake: Call,
):
    """One line with the exact command; that command finishes the film."""
    with held(tmp_path / "hold", "denoise", 3) as fakes:
        process = started("new", face, speech, "--run", "x y", fakes=fakes)
        wait_for(tmp_path / "x y/events.jsonl", '"clip_published", "clip": 1', process=process)
        process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == code
    assert not out
    last = err.splitlines()[-1]
    assert last.startswith(f"longtake: Stopped by {number.name}. ")
    assert not list((tmp_path / "x y").rglob("*.partial*"))
    command = shlex.split(last.partition("go on with: ")[2])
    assert command[:2] == ["longtake", "resume"]
    assert longtake(*command[1:])[0] == 0
    assert inspect_film(tmp_path / "x y/video.mp4").frames == 225


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_first_clip_is_one_line_too(  # noqa: PLR0917
    number: signal.Signals, code: int, face: Path, speech: Path, tmp_path: Path, started: Start
):
    """While the model is loaded: no traceback, the code of the signal, no half of a run."""
    with held(tmp_path / "hold", "load", 0) as fakes:
        process = started("new", face, speech, "--run", "x", fakes=fakes)
        wait_for(tmp_path / "hold/load.0.reached", "", process=process)
        process.send_signal(number)
        _, err = process.communicate(timeout=LONG)
    assert process.returncode == code
    assert err == "longtake: Stopped. The same command goes on from what is finished.\n"
    assert not (tmp_path / "x").exists()


def test_partial_films_while_running_and_after_a_kill(
    face: Path, speech: Path, tmp_path: Path, started: Start, longtake: Call
):
    """The longest finished beginning, with its sound, at any time; the run goes on as if nobody had looked."""
    with held(tmp_path / "hold", "denoise", 3) as fakes:
        process = started("new", face, speech, "--run", "x", fakes=fakes)
        wait_for(tmp_path / "x/events.jsonl", '"clip_published", "clip": 1', process=process)
        # It holds the run, and comes no further while this busy machine looks at it.
        process.send_signal(signal.SIGSTOP)
    status = json.loads(longtake("status", "x", "--json")[1])
    assert status["state"] == "working"
    code, out, err = longtake("mux", "x", "--partial", "--output_file", tmp_path / "early.mp4")
    assert code == 0, err
    assert out == f"{tmp_path / 'early.mp4'}\n"
    facts = inspect_film(tmp_path / "early.mp4")
    assert facts.frames in {96, 144, 192}
    assert facts.audio_seconds == pytest.approx(facts.frames / 25, abs=1 / 48_000)
    process.kill()
    process.communicate()
    assert json.loads(longtake("status", "x", "--json")[1])["state"] == "stopped"
    code, out, err = longtake("mux", "x", "--partial")
    assert code == 0, err
    assert Path(out.strip()) == Path("x/partial.mp4")
    code, _, err = longtake("mux", "x")
    assert code == 3
    assert "--partial joins those before it" in err
    assert longtake("resume", "x")[0] == 0
    assert inspect_film(tmp_path / "x/video.mp4").frames == 225


def test_mux_of_a_finished_run_is_the_film_again(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
):
    """The same bytes, also under another name."""
    assert longtake("new", face, speech, "--run", "x")[0] == 0
    film = (tmp_path / "x/video.mp4").read_bytes()
    assert longtake("mux", "x", "--output_file", tmp_path / "copy.mp4")[0] == 0
    assert (tmp_path / "copy.mp4").read_bytes() == film
    assert longtake("mux", "x")[0] == 0
    assert (tmp_path / "x/video.mp4").read_bytes() == film


def test_two_at_a_time_are_told_apart(
    face: Path, speech: Path, tmp_path: Path, started: Start, longtake: Call
):
    """The second process on a run ends with 75 and names the first; it disturbs nothing."""
    with held(tmp_path / "hold", "denoise", 3) as fakes:
        process = started("new", face, speech, "--run", "x", fakes=fakes)
        wait_for(tmp_path / "x/events.jsonl", '"clip_published"', process=process)
        code, _, err = longtake("resume", "x")
    assert code == 75
    assert str(process.pid) in err
    out, _ = process.communicate()
    assert process.returncode == 0
    assert out.strip() == str(tmp_path / "x/video.mp4")


def test_status_says_every_setting_and_where_it_came_from(
    face: Path, speech: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
):
    """Spec, numerics and settings, each with its value and its source; times once there are clips."""
    monkeypatch.setenv("LONGTAKE_CARRY_EVERY", "2")
    assert (
        longtake("new", face, speech, "--run", "x", "--size", "64*32", "--base-seed", "7")[0] == 0
    )
    status = json.loads(longtake("status", "x", "--json")[1])
    came = {each["name"]: (each["value"], each["source"]) for each in status["settings"]}
    assert came["seed"] == (7, "--base-seed")
    assert came["width"] == (64, "--size")
    assert came["carry_every"] == (2, "LONGTAKE_CARRY_EVERY")
    assert came["ahead"] == (2, "default")
    assert came["frames"] == (225, "the sound")
    assert came["threads"] == (1, "this machine")
    assert status["state"] == "finished"
    assert status["clips_done"] == status["clips"] == 5
    assert status["first_playable_clip_after"] > 0
    assert status["seconds_a_clip"] > 0
    assert status["bytes_on_disk"] > 10_000
    code, out, err = longtake("status", "x")
    assert code == 0
    assert not err
    assert "is finished" in out
    assert "LONGTAKE_CARRY_EVERY" in out
    missing = [name for name in came if f"  {name} " not in out]
    assert not missing


def test_a_torn_last_line_of_events_is_passed_over(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
):
    """A crash in the middle of a line does not hide the rest."""
    assert longtake("new", face, speech, "--run", "x")[0] == 0
    with (tmp_path / "x/events.jsonl").open("a") as events:
        events.write('{"time": 17, "event": "clip_publ')
    assert json.loads(longtake("status", "x", "--json")[1])["seconds_a_clip"] > 0


def test_resume_says_where_new_was_told_to_put_the_film(
    face: Path, speech: Path, tmp_path: Path, started: Start, longtake: Call
):
    """What a run's own file says takes nothing out of its folder, as it may be anybody's run: said with the flag that does."""
    words = ["new", face, speech, "--run", "x", "--output-file", "film.mp4"]
    with held(tmp_path / "hold", "denoise", 3) as fakes:
        process = started(*words, fakes=fakes)
        wait_for(tmp_path / "x/events.jsonl", '"clip_published"', process=process)
        process.kill()
    process.communicate()
    code, out, err = longtake("resume", "x")
    assert code == 0
    assert out == "x/video.mp4\n"
    assert f"told to put the film at {tmp_path / 'film.mp4'} as well: add --output-file" in err
    assert not (tmp_path / "film.mp4").exists()
    code, out, err = longtake("resume", "x", "--output-file", "film.mp4")
    assert (code, out) == (0, "film.mp4\n"), err
    assert inspect_film(tmp_path / "film.mp4").frames == 225


def test_part_of_a_film(face: Path, speech: Path, tmp_path: Path, longtake: Call):
    """--start_clip and --num_clip make a part with its own span of sound, in the one run that --output_dir names."""
    words = [
        "--image",
        face,
        "--audio",
        speech,
        "--output_dir",
        "x",
        "--start_clip",
        "1",
        "--num_clip",
        "2",
    ]
    code, out, err = longtake(*words, "--output_file", "part.mp4")
    assert code == 0, err
    assert out == "part.mp4\n"
    assert "2 clips, 96 frames" in err
    assert inspect_film(tmp_path / "part.mp4").frames == 96
    assert Run.open(tmp_path / "x").settings.output_file is None
    run = Run.open(tmp_path / "x")
    assert [run.records.complete("segment", clip) for clip in range(5)] == [
        False,
        True,
        True,
        False,
        False,
    ]
