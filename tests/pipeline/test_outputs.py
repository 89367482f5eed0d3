"""Where films, pictures and pages go: nothing of the user's is harmed, and the same command again is done."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.run import Run
from storage.trees import remove_tree
from tests.harm import nest_folders

Call = Callable[..., tuple[int, str, str]]
SHORT = ("--num-clip", "1")


def held(folder: Path) -> dict[str, bytes]:
    """What every file below a folder holds, but for logs and locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in {".log", ".jsonl", ".lock"}
    }


def test_a_film_that_is_heard_is_no_place_for_the_film(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """A source film that is named as output too: refused before any work, and by the same command again; the film is made under another name, and is done."""
    talk = tmp_path / "talk.mp4"
    assert longtake("new", face, speech, "--run", "first", "--output-file", talk, *SHORT)[0] == 0
    before = talk.read_bytes()
    for words in ((), ("--overwrite",)):
        for _ in range(2):
            code, _, err = longtake("new", face, talk, "--run", "x", "--output-file", talk, *words)
            assert (code, err.count("\n")) == (2, 1)
            assert "it is an input of the film, and inputs are never written over" in err
    assert not (tmp_path / "x").exists()
    for made in ("1 clip made now", "1 clip, 48 frames"):
        code, _, err = longtake("new", face, talk, "--run", "x", "--output-file", "other.mp4")
        assert code == 0
        assert made in err
    assert talk.read_bytes() == before


@pytest.mark.parametrize("name", ["video.mp4", "soundtrack.m4a", "events.jsonl", "inference.log"])
def test_a_run_takes_no_name_that_is_taken(
    name: str, face: Path, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """Where the folder of the inputs is to be the run's, and one has a name that a run uses, no run is made there; --output-dir takes a folder of its own in it."""
    sound = tmp_path / "mine" / name
    sound.parent.mkdir()
    shutil.copy(speech, sound)
    code, _, err = longtake("new", face, sound, "--run", "mine", *SHORT)
    assert code == 2
    assert f"by the names that a run uses ({name})" in err
    assert [path.name for path in sound.parent.iterdir()] == [name]
    code, out, err = longtake("new", face, sound, "--output-dir", "mine", *SHORT)
    assert code == 0, err
    assert Path(out.strip()).parent.parent == tmp_path / "mine"
    assert sound.read_bytes() == speech.read_bytes()


@pytest.mark.parametrize("name", ["run.lock", "run.lock.held"])
def test_a_lock_of_somebody_else_is_not_written_into(
    name: str, face: Path, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """A file that only has the name of one of the lock's stays as it is."""
    lock = tmp_path / "mine" / name
    lock.parent.mkdir()
    lock.write_text("somebody's own")
    code, _, err = longtake("new", face, speech, "--run", "mine", *SHORT)
    assert code == 2
    assert f"({name})" in err
    assert lock.read_text() == "somebody's own"


def test_the_second_film_into_a_folder_has_a_run_beside_the_first(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """--save_dir and a --save_file in it that is not there yet; another film with the same folder; each command again is done; both runs are whole."""
    words = ("--image", face, "--audio", speech, *SHORT, "--save_dir", "outs", "--save_file")
    films = {}
    for seed in ("1", "2"):
        for made in (1, 0):
            file = f"outs/film{seed}.mp4"
            code, out, err = longtake(*words, file, "--base_seed", seed)
            assert (code, out) == (0, f"{file}\n"), err
            assert ("made now" in err) == made
        films[seed] = (tmp_path / file).read_bytes()
    first, second = [
        path.parent for path in sorted((tmp_path / "outs").rglob("run.json"), key=str)
    ][::-1]
    first, second = sorted((first, second), key=lambda root: len(root.parts))
    assert (first, second.parent) == (tmp_path / "outs", first)
    assert {Run.open(first).spec.seed, Run.open(second).spec.seed} == {1, 2}
    for root, seed in ((first, "1"), (second, "2")):
        assert (root / "video.mp4").read_bytes() == films[seed]
        code, out, _ = longtake("verify", root)
        assert code == 0
        assert "none of the run's files" not in out or "film2" in out
    code, _, err = longtake(*words, "outs/film1.mp4", "--base_seed", "2")
    assert code == 2
    assert "this run did not write it" in err


def test_a_drawn_seed_finds_its_run_again(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """--base_seed -1 into a folder with another film: one run, however often it is asked for."""
    words = ("new", face, speech, *SHORT, "--output_dir", "outs")
    assert longtake(*words)[0] == 0
    runs = {longtake(*words, "--base_seed", "-1", "--sample_steps", "2")[1] for _ in range(3)}
    assert len(runs) == 1
    assert len(list((tmp_path / "outs").rglob("run.json"))) == 2


def test_every_verb_keeps_what_is_there_and_replaces_its_own(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """mux, inspect, report, resume and a part: also by the names that they choose; again without a word, over somebody's only when told to."""
    assert longtake("new", face, speech, "--run", "face", "--num-clip", "2")[0] == 0
    run = tmp_path / "face"
    cases: dict[tuple[object, ...], Path] = {
        ("mux", "face", "--partial"): run / "partial.mp4",
        ("inspect", "face"): tmp_path / "face.png",
        ("inspect", "face", "--clip", "1"): tmp_path / "face-clip1.png",
        ("inspect", "face", "--clip", "1", "--audio"): tmp_path / "face-clip1-audio.png",
        ("report", "face"): run / "report.html",
        ("mux", "face", "--output-file", "a.mp4"): tmp_path / "a.mp4",
        ("resume", "face", "--output-file", "b.mp4"): tmp_path / "b.mp4",
    }
    for words, target in cases.items():
        mine = target.read_bytes() if target.exists() else b"mine"
        target.write_bytes(mine)
        code, _, err = longtake(*words)
        assert code == 2, (words, err)
        assert err.count("\n") == 1
        assert target.read_bytes() == mine
        if target.name == "face.png":
            assert "it is an input of the film" in err
            target.rename(tmp_path / "elsewhere.png")
        for more in ((), ()) if target.name == "face.png" else (("--overwrite",), ()):
            code, _, err = longtake(*words, *more)
            assert code == 0, (words, more, err)
            assert target.read_bytes() != mine
    assert longtake("verify", "face")[0] == 0


def test_inspect_and_report_refuse_before_they_work(
    face: Path, speech: Path, tmp_path: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read or decoded for a picture or a page that may not be written."""
    assert longtake("new", face, speech, "--run", "x", *SHORT)[0] == 0

    def never(*_: object, **__: object) -> None:
        raise AssertionError("work was done")

    for name in (
        "inspection.clip._read_steps",
        "inspection.overview.measure_clip",
        "report.reading.measure_film",
    ):
        monkeypatch.setattr(f"pipeline.{name}", never)
    for words in (("inspect", "x", "--clip", "0"), ("inspect", "x"), ("report", "x")):
        code, _, err = longtake(*words, "--output-file", "x.mp4")
        assert code == 2, err
        assert "must end with" in err


def test_a_run_lies_in_no_other_run_and_nowhere_by_mistake(
    face: Path, speech: Path, tmp_path: Path, longtake: Call
) -> None:
    """Among another run's files, through links that lead round, by an empty word (an unset variable), by a name that is too long: refused, and nothing is made; a folder beside a run's files may be one."""
    assert longtake("new", face, speech, "--run", "old", *SHORT)[0] == 0
    Path("loop").symlink_to("loop")
    before = sorted(tmp_path.rglob("*"))
    for place, why in (
        ("old/carry/00001", "it would lie among the files of the run"),
        ("old/segments", "it would lie among the files of the run"),
        ("loop", "its links lead round in a circle"),
        ("", "it is empty"),
        ("a" * 300, "File name too long"),
        ("a/" * 2000, "is longer than"),
    ):
        for words in (("new", face, speech, *SHORT), ("retake", "old", "--clip", "0")):
            code, _, err = longtake(*words, "--run", place)
            assert (code, err.count("\n")) == (2, 1), err
            assert why in err
    assert longtake("resume", "")[0] == longtake("report", "")[0] == 2
    assert sorted(tmp_path.rglob("*")) == before
    assert longtake("new", face, speech, "--run", "old/mine", *SHORT)[0] == 0


@pytest.mark.parametrize("place", ["deep", "segments/deep", "carry/00009", "latents/c.9"])
def test_folders_without_end_in_a_run_stop_nothing(
    place: str, face: Path, speech: Path, longtake: Call
) -> None:
    """Folders of somebody's, nested deeper than Python can follow: every verb ends as without them."""
    assert longtake("new", face, speech, "--run", "x", *SHORT)[0] == 0
    nest_folders(Path("x") / place, 1200)
    for words in (
        ("status",), ("verify",), ("verify", "--repair"), ("resume",), ("mux", "--output-file", "a.mp4"), ("retake", "--clip", "0"),
    ):  # fmt: skip
        code, _, err = longtake(words[0], "x", *words[1:])
        assert code == 0, (words, err)
    for each in Path().glob(f"*/{place}"):
        remove_tree(each)  # pytest could not
