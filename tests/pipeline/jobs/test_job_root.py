"""A folder of jobs: each film is made once, by a process of its own, and what becomes of it is said."""

import json
import os
import signal
from pathlib import Path

import av
import pytest
from waiting import held, wait_until
from wavefile import write_wave

from pipeline.jobs import job_root
from pipeline.jobs.job_folder import JOBS, QUEUE, JobFolder, Order, list_turns
from pipeline.jobs.job_request import JobRequest
from pipeline.jobs.job_root import JobRoot
from pipeline.jobs.keeper import _started, start_keeper_if_needed
from storage.errors import (
    BadInput,
    BadOption,
    FilmNotMade,
    JobAwaited,
    JobRunning,
    NoSuchJob,
    RunLocked,
)

from .conftest import Ask, keeper_of, wait_for, worker_of


def starts_of(jobs: JobRoot, name: str) -> int:
    """How many times a process began to work on the run."""
    lines = (jobs.root / name / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return sum(json.loads(line)["event"] == "run_started" for line in lines)


def test_film_is_made_and_seen(jobs: JobRoot, ask: Ask):
    """From a request to a finished film, a live film and a record of what was asked; then a retake of it, and both removed."""
    name = jobs.submit(ask("Tea", prompt="She smiles."), key="one").name
    assert jobs.submit(ask("Other"), key="one").name == name, "the key decides"
    wait_for(jobs, name, "finished", "failed", "lost")
    view = jobs.view(name)
    assert (view.state, view.error, view.clips, view.clips_done) == ("finished", None, 3, 3)
    assert (view.title, view.flags["prompt"], view.model) == ("Tea", "She smiles.", "pocket")
    for path in (view.film, view.playlist, view.picture, view.sound):
        assert path is not None
        assert path.is_relative_to(view.run)
    with av.open(str(view.film)) as film:
        assert film.metadata["title"] == "Tea", "as the film is called on the page"
    assert view.eta is None
    assert view.place is None
    assert jobs.partial_film(name) == view.film
    assert not list((jobs.root / JOBS / name).glob("picture*")), "the run has its own by now"
    again = jobs.retake(name, range(1, 2), {"seed": "7"}).name
    wait_for(jobs, again, "finished", "failed", "lost")
    parent = jobs.view(again).parent
    assert parent is not None
    assert (parent["clip"], parent["until"], parent["seed"]) == (1, 2, 7)
    assert {each.name for each in jobs.list_jobs()} == {name, again}
    jobs.delete(name)
    assert [each.name for each in jobs.list_jobs()] == [again]
    assert not (jobs.root / name).exists()


def test_film_gets_other_words(jobs: JobRoot, ask: Ask, tmp_path: Path):
    """Another run beside it, which may be asked for what is wrong in one line; the sound may go at once."""
    name = jobs.submit(ask("Tea")).name
    wait_for(jobs, name, "finished", "failed", "lost")
    words = tmp_path / "words.wav"
    write_wave(words, 0.4)
    for flags, line in (
        ({"from": "9s"}, "--from 0:00:09.0 cannot be used: the film ends at"),
        ({}, "required: --from"),
        ({"from": "0.5s", "until": "0.6s"}, "--audio words.wav cannot be used: it lasts 0.40 s"),
    ):
        with pytest.raises(FilmNotMade, match=line):
            jobs.redub(name, words, flags)
    with pytest.raises(BadOption, match="--audio"):
        jobs.redub(name, words, {"from": "0s", "audio": "/etc/passwd"})
    assert [each.name for each in jobs.list_jobs()] == [name]
    other = jobs.redub(name, words, {"from": "0.5s"}).name
    words.unlink()
    wait_for(jobs, other, "finished", "failed", "lost")
    view = jobs.view(other)
    assert (view.state, view.title) == ("finished", "Tea"), view.error
    assert view.parent is not None
    assert view.parent["dub"]["start"] == 24_000
    assert not list((jobs.root / JOBS / other).glob("sound*")), "the run has its own by now"


def test_queue_is_kept_stopped_and_resumed(
    jobs: JobRoot, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """One film at a time; one that waits and one that runs can be stopped, and go on; neither is removed while it runs."""
    with held(tmp_path / "hold", "decode", 1) as fakes:
        monkeypatch.setenv("FAKE_HOLD", fakes["FAKE_HOLD"])
        first, second, third = (jobs.submit(ask()).name for _ in range(3))
        wait_until((tmp_path / "hold/decode.1.reached").exists)
        wait_until(lambda: jobs.view(first).clips_done == 1, every=0.1)
        assert jobs.view(first).state == "running"
        assert (jobs.view(second).state, jobs.view(second).place) == ("queued", 0)
        assert jobs.view(third).place == 1
        with pytest.raises(JobRunning):
            jobs.delete(first)
        assert jobs.stop(second).state == "stopped"
        assert jobs.view(third).place == 0
        jobs.delete(third)
        for _ in range(3):
            assert jobs.stop(first).stopping
            assert jobs.stop(first).state == "running", "it is in a write"
    wait_for(jobs, first, "stopped")
    assert jobs.view(first).clips_done == 2, "the write was ended, however often it was told"
    assert jobs.view(first).way_out == f"longtake resume {jobs.root / first}"
    assert jobs.resume(first).state in {"queued", "running"}
    wait_for(jobs, first, "finished")
    assert starts_of(jobs, first) == 2
    assert not (jobs.root / second).exists()
    assert jobs.resume(first).state == "finished", "there is nothing to go on with"


def test_killed_worker_is_lost_and_the_queue_goes_on(
    jobs: JobRoot, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A worker that is killed is lost at once, with the command that goes on; the next job begins, and the lost one is finished by a resume."""
    with held(tmp_path / "hold", "decode", 1) as fakes:
        monkeypatch.setenv("FAKE_HOLD", fakes["FAKE_HOLD"])
        name, following = jobs.submit(ask()).name, jobs.submit(ask()).name
        wait_until((tmp_path / "hold/decode.1.reached").exists)
        process = worker_of(jobs, name)
        assert process is not None
        os.kill(process, signal.SIGKILL)
        wait_for(jobs, name, "lost")
        view = jobs.view(name)
        assert view.way_out == f"longtake resume {jobs.root / name}"
        assert "died without a word" in str(view.error)
        assert view.clips_done == 1
    wait_for(jobs, following, "finished")
    jobs.resume(name)
    wait_for(jobs, name, "finished")
    assert jobs.view(name).error is None


def test_killed_keeper_costs_nothing(
    jobs: JobRoot, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The keeper is killed: the film goes on, another keeper waits for it, several at a time start nothing twice."""
    with held(tmp_path / "hold", "decode", 1) as fakes:
        monkeypatch.setenv("FAKE_HOLD", fakes["FAKE_HOLD"])
        name, following = jobs.submit(ask()).name, jobs.submit(ask()).name
        wait_until((tmp_path / "hold/decode.1.reached").exists)
        keeper = keeper_of(jobs)
        assert keeper is not None
        os.kill(keeper, signal.SIGKILL)
        wait_until(lambda: keeper_of(jobs) is None)
        assert _started.pop(jobs.root).wait() == -signal.SIGKILL
        keepers = []
        for _ in range(3):
            start_keeper_if_needed(jobs.root)
            keepers.append(_started.pop(jobs.root, None))  # as other processes would
        wait_until(lambda: keeper_of(jobs) is not None)
        assert jobs.view(name).state == "running"
        assert jobs.view(following).state == "queued"
    wait_for(jobs, following, "finished")
    assert jobs.view(name).state == "finished"
    assert [starts_of(jobs, each) for each in (name, following)] == [1, 1]
    codes = [each.wait() for each in keepers if each is not None]
    assert sorted(codes) == [0, *[RunLocked.exit_code] * (len(codes) - 1)], "one got the lock"
    assert list_turns(jobs.root / JOBS / QUEUE) == []


def test_what_cannot_be_used_is_refused(jobs: JobRoot, ask: Ask, speech: Path, tmp_path: Path):
    """What `longtake new` refuses before any work is refused by the same line, and nothing is left of it."""
    with pytest.raises(FilmNotMade, match=r"The picture speech\.wav cannot be used") as refused:
        jobs.submit(JobRequest(speech, speech, {}))
    assert refused.value.exit_code == 2
    with pytest.raises(FilmNotMade, match="sample-steps"):
        jobs.submit(ask(**{"sample-steps": "0"}))
    with pytest.raises(BadOption, match="did you mean ahead"):
        jobs.submit(ask(ahed="x"))
    with pytest.raises(BadOption, match="no such flag"):
        jobs.submit(ask(run=str(tmp_path)))
    with pytest.raises(BadOption, match=r"--script /etc/film\.toml cannot be used"):
        jobs.submit(ask(script="/etc/film.toml"))
    with pytest.raises(BadOption, match="none of the folders"):
        jobs.submit(ask(weights="/etc"))
    with pytest.raises(BadInput, match="cannot be read"):
        jobs.submit(JobRequest(tmp_path / "none.png", speech, {}))
    assert list((jobs.root / JOBS).glob("*film*")) == []
    assert jobs.list_jobs() == []


def test_plan_is_told_before_anything_is_made(jobs: JobRoot, ask: Ask):
    """The plan of a film as numbers, without a trace of it in the folder."""
    plan = jobs.plan(ask())
    assert isinstance(plan["film"], dict)
    assert plan["film"]["clips"] == 3
    assert not jobs.root.exists() or jobs.list_jobs() == []


@pytest.mark.parametrize("name", ["", ".", "..", "../films", ".jobs", "a/b", "x" * 300, "a\0", "é"])
def test_names_lead_nowhere(jobs: JobRoot, name: str):
    """A name that is none of a job is refused, whatever it is."""
    for call in (jobs.view, jobs.stop, jobs.resume, jobs.delete, jobs.partial_film):
        with pytest.raises(NoSuchJob):
            call(name)


def test_only_what_lies_in_the_folder_is_removed(
    jobs: JobRoot, longtake: object, face: Path, speech: Path, tmp_path: Path
):
    """A run of the command line is a job; a link to one elsewhere is none, and is left alone."""
    assert callable(longtake)
    words = ("new", face, speech, "--infer-frames", 12, "--num-clip", 1)
    assert longtake(*words, "--run", tmp_path / "elsewhere")[0] == 0
    assert longtake(*words, "--run", jobs.root / "mine")[0] == 0
    (jobs.root / "link").symlink_to(tmp_path / "elsewhere")
    (jobs.root / "letters").mkdir()
    assert [each.name for each in jobs.list_jobs()] == ["mine"]
    view = jobs.view("mine")
    assert (view.state, view.clips_done, view.flags) == ("finished", 1, {})
    for name in ("link", "letters"):
        with pytest.raises(NoSuchJob):
            jobs.delete(name)
    jobs.delete("mine")
    assert (tmp_path / "elsewhere/video.mp4").exists()
    assert {each.name for each in jobs.root.iterdir()} == {".jobs", "letters", "link"}


def test_damaged_folder_is_said(jobs: JobRoot, longtake: object, face: Path, speech: Path):
    """A run whose facts are damaged is a failed job with a line, and breaks no list."""
    assert callable(longtake)
    words = ("new", face, speech, "--infer-frames", 12, "--num-clip", 1)
    assert longtake(*words, "--run", jobs.root / "mine")[0] == 0
    for each in ("run.json", "run.copy.json"):
        (jobs.root / "mine" / each).write_text("{", encoding="utf-8")
    (view,) = jobs.list_jobs()
    assert view.state == "failed"
    assert "is damaged" in str(view.error)


def test_a_film_is_kept_while_a_retake_of_it_waits(jobs: JobRoot, monkeypatch: pytest.MonkeyPatch):
    """The retake would have nothing to take from when its turn comes."""
    monkeypatch.setattr(job_root, "start_keeper_if_needed", lambda _: None)
    jobs.prepare()
    JobFolder(jobs.root, "film-old").write_order(Order("new", 1.0))
    retake = JobFolder(jobs.root, "film-again")
    retake.write_order(Order("retake", 2.0, parent="film-old", clips=(0, 1)))
    retake.take_turn()
    with pytest.raises(JobAwaited, match="its retake film-again waits"):
        jobs.delete("film-old")
    jobs.delete("film-again")
    jobs.delete("film-old")
    assert jobs.list_jobs() == []
