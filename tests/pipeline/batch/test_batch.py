"""Films of a table: each is made once, by a process of its own, whatever becomes of the others or of the command."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.batch import batch as batch_module
from pipeline.batch.batch import BatchRequest, make_batch
from pipeline.batch.engine import EngineOptions, Watch
from pipeline.batch.film_order import FilmOrder
from storage.lock import find_local_holder
from tests.waiting import LONG, held, holds, wait_until

from .conftest import FLAGS, Run, Start, Write, states_of

Call = Callable[..., tuple[int, str, str]]


def count_events(run: Path, event: str) -> int:
    """How often an event was told of a run."""
    lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return sum(json.loads(line)["event"] == event for line in lines)


def test_films_have_the_bytes_of_films_alone(
    table: Write, run_batch: Run, longtake: Call, tmp_path: Path
) -> None:
    """Two at once, each as `longtake new` makes it; the same command again makes nothing, and says so."""
    path = table({"prompt": "a"}, {"prompt": "b", "run": "own"}, {"prompt": "c"})
    done = run_batch(path, "--jobs", "2", "--json")
    assert (done.returncode, states_of(done)) == (0, ["made"] * 3), done.stderr
    runs = [tmp_path / name for name in ("runs/face-speech", "own", "runs/face-speech-2")]
    assert [film["run"] for film in json.loads(done.stdout)["films"]] == list(map(str, runs))
    for run, prompt in zip(runs, "abc", strict=True):
        words = ("new", "face.png", "speech.wav", "--run", f"alone-{prompt}", *FLAGS)
        assert longtake(*words, "--prompt", prompt)[0] == 0
        alone = tmp_path / f"alone-{prompt}" / "video.mp4"
        assert (run / "video.mp4").read_bytes() == alone.read_bytes()
    done = run_batch(path, "--json")
    assert (done.returncode, states_of(done)) == (0, ["there"] * 3)
    assert [count_events(run, "run_started") for run in runs] == [1, 1, 1]


def test_film_that_cannot_be_made_holds_up_no_other(table: Write, run_batch: Run) -> None:
    """It is told at the start, in the table and at the second call, and the code says that not all are there."""
    path = table({"image": "nowhere.png"}, {}, {"sample_steps": "many"})
    for state in ("made", "there"):
        done = run_batch(path)
        assert done.returncode == 9
        for line in (
            "films.csv:2: The picture",
            "films.csv:4: --sample-steps many cannot be used",
        ):
            assert line in done.stderr.splitlines()[0] + done.stderr.splitlines()[1]
            assert line in done.stdout
        assert f"1 {state}, 2 failed" in done.stdout
        assert done.stderr.endswith("longtake: Not there: 2 of 3 films. The table or a line above it says why; the same command again makes what is missing.\n")  # fmt: skip


@pytest.mark.parametrize("words", [(), ("--look",)], ids=["made", "looked at"])
def test_a_reason_is_read_once_on_a_terminal(
    words: tuple[str, ...], table: Write, batch_screen: Callable[..., str]
) -> None:
    """Where lines and table are on one, why a film cannot be made stands above the table alone."""
    path = table({"image": "nowhere.png"}, {"num_clip": "1"})
    screen = batch_screen(path, *words)
    assert screen.count("nowhere.png cannot be used") == 1
    assert screen.index("films.csv:2: The picture") < screen.index("films.csv:2  ")
    assert "Not there: " in screen


@pytest.mark.parametrize(
    ("films", "line"),
    [
        ([{"promptt": "a"}], "promptt is no flag of a film; did you mean prompt?"),
        ([{"run": "x"}, {"run": "./y/../x"}], "films.csv:3 cannot be used"),
        ([{"live": "perhaps"}], "live: True or False is needed"),
        ([], "it has no film"),
    ],
)
def test_table_that_misleads_is_refused(
    films: list[dict[str, str]], line: str, table: Write, run_batch: Run, tmp_path: Path
) -> None:
    """Before any work, with one line and code 2."""
    path = table(*films) if films else table({})
    path.write_text(path.read_text() if films else "image,audio\n", encoding="utf-8")
    done = run_batch(path)
    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "settings", "line"),
    [
        (("--num-clip", "x"), {}, "--num-clip x cannot be used"),
        ((), {"LONGTAKE_NUM_CLIP": "x"}, "LONGTAKE_NUM_CLIP x cannot be used"),
        (("--address", "gpu"), {}, "--address gpu cannot be used: it is of --engine luigi"),
    ],
)
def test_words_for_all_films_are_refused_once(
    words: tuple[str, ...], settings: dict[str, str], line: str, table: Write, run_batch: Run
) -> None:
    """And not of each film: before any is looked at, with code 2."""
    done = run_batch(table({}, {}), *words, **settings)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"longtake: {line}")
    assert done.stderr.count("\n") == 1


def test_run_of_another_film_is_left_alone(table: Write, run_batch: Run, tmp_path: Path) -> None:
    """A line whose run holds another film has failed, with what differs; the run is as it was."""
    assert run_batch(table({"run": "x", "prompt": "a"})).returncode == 0
    before = (tmp_path / "x/video.mp4").stat().st_mtime_ns
    done = run_batch(table({"run": "x", "prompt": "b"}, {"prompt": "b"}), "--json")
    assert (done.returncode, states_of(done)) == (9, ["failed", "made"])
    assert "holds another film" in json.loads(done.stdout)["films"][0]["reason"]
    assert (tmp_path / "x/video.mp4").stat().st_mtime_ns == before


def test_flags_of_the_command_are_defaults(table: Write, run_batch: Run, tmp_path: Path) -> None:
    """A film's own words win, by whichever name, a switch that says no among them."""
    path = table({"live": "no"}, {"clip_batch_size": "2", "num_clip": "1"}, {"ckpt_dir": ""})
    done = run_batch(path, "--live", "--clip-batch-size", "1", "--runs", "elsewhere")
    assert done.returncode == 0, done.stderr
    runs = [tmp_path / "elsewhere" / f"face-speech{more}" for more in ("", "-2", "-3")]
    assert [(run / "live").exists() for run in runs] == [False, True, True]
    settings = [json.loads((run / "run.json").read_text())["settings"] for run in runs]
    assert [each["clip_batch_size"] for each in settings] == [1, 2, 1]
    assert len(list((runs[1] / "segments").iterdir())) == 1


@pytest.mark.slow
def test_film_that_failed_is_tried_again(table: Write, run_batch: Run, tmp_path: Path) -> None:
    """In another process, as often as --retries says; what fails for good is told, also when one only looks."""
    (tmp_path / "denoise.1").write_text("4")
    path = table({}, {"num_clip": "1"})
    fails = {"FAKE_FAIL": str(tmp_path)}
    done = run_batch(path, "--retries", "0", "--json", **fails)
    assert (done.returncode, states_of(done)) == (9, ["failed", "made"])
    done = run_batch(path, "--look")
    assert done.returncode == 9
    assert "films.csv:2: Clip 1 failed 3 times while denoising" in done.stdout
    (tmp_path / "denoise.1").write_text("4")
    done = run_batch(path, "--json", **fails)
    assert (done.returncode, states_of(done)) == (0, ["made", "there"])
    assert json.loads(done.stdout)["films"][0]["tries"] == 2


def test_signal_ends_it_after_the_current_writes(
    table: Write, batch: Start, run_batch: Run, tmp_path: Path
) -> None:
    """The films at work stop, the others do not begin, and the same command goes on."""
    path = table({"num_clip": "15"}, {"prompt": "b", "num_clip": "15"}, {"prompt": "c"})
    log = tmp_path / "calls"
    process = batch(path, "--jobs", "2", "--json", FAKE_DENOISE="1", FAKE_LOG=str(log))
    wait_until(lambda: holds(log, "denoise 1"), of=process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LONG)
    states = [film["state"] for film in json.loads(out)["films"]]
    assert (process.returncode, states) == (143, ["waiting"] * 3), err
    assert err.endswith("go on with: the same command\n")
    assert not list((tmp_path / "runs").rglob("*.partial*"))
    done = run_batch(path, "--json")
    assert (done.returncode, states_of(done)) == (0, ["made"] * 3)


def test_killed_batch_goes_on(
    table: Write, batch: Start, run_batch: Run, longtake: Call, tmp_path: Path
) -> None:
    """`kill -9` of the command ends the film at work after its write; the same command makes what is missing, and nothing twice."""
    path = table({}, {"prompt": "b"}, {"prompt": "c"})
    second = tmp_path / "runs/face-speech-2"
    with held(tmp_path / "hold", "decode", 2) as fakes:
        # The first film has no third clip, so the second is the one that waits there.
        path.write_text(path.read_text().replace("prompt", "prompt,num_clip").replace("face.png,speech.wav,\n", "face.png,speech.wav,,2\n"))  # fmt: skip
        process = batch(path, **fakes)
        wait_until((tmp_path / "hold/decode.2.reached").exists, of=process)
        worker = find_local_holder(second)
        assert worker is not None
        process.kill()
        process.communicate()
    wait_until(lambda: find_local_holder(second) is None)
    done = run_batch(path, "--json")
    assert (done.returncode, states_of(done)) == (0, ["there", "made", "made"]), done.stderr
    assert count_events(second, "clip_denoised") == 3, "what was denoised before is not again"
    words = ("new", "face.png", "speech.wav", "--run", "alone", *FLAGS, "--prompt", "b")
    assert longtake(*words)[0] == 0
    assert (second / "video.mp4").read_bytes() == (tmp_path / "alone/video.mp4").read_bytes()


@pytest.mark.slow
def test_batch_waits_for_the_films_of_a_killed_one(
    table: Write, batch: Start, run_batch: Run, tmp_path: Path
) -> None:
    """A film whose process still ends its write is not taken for one that another works on."""
    path = table({})
    with held(tmp_path / "hold", "decode", 1) as fakes:
        process = batch(path, **fakes)
        wait_until((tmp_path / "hold/decode.1.reached").exists, of=process)
        worker = find_local_holder(tmp_path / "runs/face-speech")
        assert worker is not None
        os.kill(worker, signal.SIGSTOP)
        process.kill()
        process.communicate()
        again = batch(path, "--json")
        with pytest.raises(subprocess.TimeoutExpired):
            again.communicate(timeout=4)
        os.kill(worker, signal.SIGCONT)
    out, err = again.communicate(timeout=LONG)
    assert again.returncode == 0, err
    assert json.loads(out)["counts"]["made"] == 1


def test_longest_film_begins_first_where_several_are_made(
    table: Write, fake_fork_server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One at a time they come as in the table."""
    path = table(*({"num_clip": clips, "prompt": clips} for clips in "132"))
    begun: list[str] = []

    def note(orders: Sequence[FilmOrder], options: EngineOptions, watch: Watch) -> None:
        begun.extend(order.place for order in orders)

    monkeypatch.setattr(batch_module, "load_engine", lambda _: note)
    for jobs, places in ((None, "234"), (1, "234"), (2, "342")):
        result = make_batch(BatchRequest(path, engine=EngineOptions(jobs=jobs)))
        assert begun == [f"films.csv:{place}" for place in places]
        assert result.count("waiting") == 3
        begun.clear()
