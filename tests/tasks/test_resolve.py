"""What a film is called in its file: the film's title, never its folder's."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest

from model.avatar import DeviceConfig, Options
from storage.errors import BadOption
from storage.film_title import title_of_sound
from storage.live_check import LiveCheck
from storage.run import Run
from tasks import defaults
from tasks.film import make_film
from tasks.loaded_model import model_traits_of
from tasks.request import Request
from tasks.resolve import change_settings, freeze_run
from tasks.retake import RetakeRequest, retake_settings

Ask = Callable[..., Request]


def title_of(path: Path) -> str:
    """The title that a player shows."""
    with av.open(str(path)) as film:
        return film.metadata["title"]


def test_same_spec_in_another_folder_is_the_same_bytes(ask: Ask, tmp_path: Path):
    """Two folders, one film to the byte, called as the sound's file is; so is the part that is joined elsewhere."""
    one, other = (make_film(freeze_run(ask(4.0, run=tmp_path / name))) for name in ("one", "two"))
    assert one.read_bytes() == other.read_bytes()
    assert title_of(one) == "speech-4.0"


def test_title_given_later_is_in_the_film(ask: Ask, tmp_path: Path):
    """A finished film that is given a title is joined again with it, and with no other clip; the same title again changes nothing."""
    run = freeze_run(ask(4.0))
    before = make_film(run).read_bytes()
    clips = [run.segment_path(clip).stat().st_mtime_ns for clip in range(run.spec.clips)]
    change_settings(run, {"title": "Tea at six"}, {"title": "given"})
    film = make_film(run)
    assert title_of(film) == "Tea at six"
    assert [run.segment_path(clip).stat().st_mtime_ns for clip in range(run.spec.clips)] == clips
    change_settings(run, {"title": "Tea at six"}, {"title": "given"})
    assert run.records.complete("video")
    change_settings(run, {"title": "speech-4.0"}, {"title": "given"})
    assert make_film(run).read_bytes() == before


def test_old_run_keeps_its_folders_name(ask: Ask, tmp_path: Path):
    """A run from before titles, also one that is moved, is called as its folder is; a retake of it is called as it was."""
    run = freeze_run(ask(4.0, run=tmp_path / "old"))
    run.update_settings(replace(run.settings, title=""), run.sources)
    assert title_of(make_film(run)) == "old"
    moved = Run.open(Path(shutil.move(run.root, tmp_path / "moved")))
    (moved.root / "commits/video.json").unlink()
    assert title_of(make_film(moved)) == "moved"
    retaken, _ = retake_settings(moved, tmp_path / "retaken", RetakeRequest(1))
    assert retaken.title == "moved"


@pytest.mark.parametrize("place", ["run", "output_dir", "runs"])
def test_old_run_keeps_its_encoder_s_threads(
    ask: Ask, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
):
    """A film that an older version began with one thread is found, and gone on with, by the same request."""
    monkeypatch.chdir(tmp_path)
    asked = {"width": 512, "height": 320, "run": None}
    if place != "runs":
        asked[place] = tmp_path / "old"
    with monkeypatch.context() as older:
        older.setattr(defaults, "ENCODER_THREADS", 0)
        old = freeze_run(ask(1.0, **asked))
    assert freeze_run(ask(1.0, **asked)).root == old.root
    assert Run.open(old.root).spec.encoder_threads == 0


def test_title_brings_marks_to_the_live_film(ask: Ask):
    """The header of an old run's live film has none, and the first title brings them, another changes nothing, another producer does; each time all of it is what its clips make of it."""
    run = freeze_run(ask(4.0, grow=True))
    run.update_settings(replace(run.settings, title=""), run.sources)
    headers = []
    for title in ("", "Tea", "Tea at six"):
        if title:
            change_settings(run, {"title": title}, {"title": "given"})
        make_film(run)
        assert not list(LiveCheck(run, (), at_rest=True).find_flaws())
        headers.append((run.root / "live/init.mp4").read_bytes())
        assert (run.root / "live/film.mp4").read_bytes().startswith(headers[-1])
    assert [b"AIGC" in each for each in headers] == [False, True, True]
    assert headers[1] == headers[2]
    change_settings(run, {"producer": "云端 001191"}, {"producer": "given"})
    make_film(run)
    assert not list(LiveCheck(run, (), at_rest=True).find_flaws())
    for path in (run.video_path, run.root / "live/film.mp4"):
        with av.open(str(path)) as film:
            assert json.loads(film.metadata["AIGC"])["ContentProducer"] == "云端 001191"


@pytest.mark.parametrize(("name", "title"), [("a\x1b\nb.wav", "a b"), (" \n.wav", "film"), ("é" * 240 + ".wav", "é" * 200)])  # fmt: skip
def test_name_of_a_sound_becomes_one_line(name: str, title: str):
    """What would act on a terminal, or is nothing to read, is in no title."""
    assert title_of_sound(Path(name)) == title


@pytest.mark.parametrize("title", ["two\nlines", " blank", "\x1b[2J", "x" * 201])
def test_title_that_cannot_be_is_refused(title: str):
    """One line, before any work."""
    with pytest.raises(BadOption):
        Request.from_words({"image": "a.png", "audio": "b.wav", "title": title}, "flag")


def test_cards_that_a_run_cannot_be_shared_out_to_are_not_kept(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
):
    """A resume refuses them before run.json has them, else the same command without them would be refused, too."""
    run = freeze_run(ask(4.0))
    layered = replace(model_traits_of(run), layers=6)
    monkeypatch.setattr("tasks.preflight.model_traits_of", lambda _run: layered)

    def refuse(_name: str, _options: Options, machine: DeviceConfig) -> None:
        raise BadOption("--gpus", len(machine.gpus), "there are 6 layers")

    monkeypatch.setattr("tasks.preflight.require_ranks", refuse)
    with pytest.raises(BadOption, match="--gpus 99 cannot be used: there are 6 layers"):
        change_settings(run, {"gpus": "99"}, {"gpus": "--gpus"})
    assert not Run.open(run.root).settings.gpus
