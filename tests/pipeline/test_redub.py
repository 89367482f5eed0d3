"""`longtake redub` as it is typed: what it says, its codes, killed and given again."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from harm import digests
from waiting import held, wait_until
from wavefile import write_wave

from storage.run import Run

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the old film is made once."""
    return tmp_path_factory.mktemp("kept") / "film"


@pytest.fixture
def old(kept: Path, longtake: Call, face: Path, speech: Path, tmp_path: Path) -> Path:
    """A film of five clips of 1.92 s; beside it two seconds of other words."""
    if not kept.exists():
        code, _, said = longtake("new", face, speech, "--run", kept)
        assert code == 0, said
    write_wave(tmp_path / "words.wav", 2.0)
    return shutil.copytree(kept, tmp_path / "old")


def words_of(root: Path, *words: object) -> list[object]:
    return ["redub", root, "--audio", root.with_name("words.wav"), *words]


def test_it_says_what_it_will_do_and_the_other_verbs_know_it(old: Path, longtake: Call) -> None:
    """Clips, sound and joins; a film that is verified, told of, joined, reported; the same words again find it done."""
    code, out, said = longtake(*words_of(old, "--from", "4s", "--until", "0:06.5"))
    assert code == 0, said
    new = Path(out.strip()).parent
    assert new.name.startswith("old-redub-4s-6.5s-")
    assert "2 clips: 2 to 3, seed 420 (before: 420)" in said
    assert "another from 0:00:04.0 to 0:00:06.5" in said
    assert "3 clips: 0 to 1, 4, linked" in said
    assert [said.count(f"seam before clip {clip} ") for clip in range(5)] == [0, 0, 1, 0, 1]
    before = digests(new)
    assert longtake(*words_of(old, "--from", "4s", "--until", "0:06.5"))[1] == out
    stays = {name for name in before if not name.startswith(("events", "inference", "run.lock"))}
    assert {name: digests(new)[name] for name in stays} == {name: before[name] for name in stays}
    shutil.rmtree(old)
    shown = "".join(longtake("status", new)[1].split())
    assert "2clips:2to3again,seed420(before:420)othersoundfrom0:00:04.0to0:00:06.5" in shown
    for words in (["verify", new], ["resume", new], ["inspect", new, "--clip", 3], ["mux", new]):
        assert longtake(*words)[0] == 0, words


def test_killed_it_goes_on_to_the_same_bytes(
    old: Path, longtake: Call, started: Callable[..., object], tmp_path: Path
) -> None:
    """kill -9 in the middle of its second clip, then the same words: the film of one that was left alone."""
    words = words_of(old, "--from", "4s")
    assert longtake(*words, "--run", tmp_path / "whole")[0] == 0
    with held(tmp_path / "hold", "denoise", 3) as fakes:
        worker = started(*words, "--run", tmp_path / "killed", fakes=fakes)
        wait_until((tmp_path / "hold/denoise.3.reached").exists, of=worker)
        worker.kill()
        worker.communicate()
    assert longtake(*words, "--run", tmp_path / "killed")[0] == 0
    whole, killed = (Run.open(tmp_path / name) for name in ("whole", "killed"))
    for clip in range(5):
        assert killed.latents.digest(clip) == whole.latents.digest(clip)
        assert killed.segment_path(clip).read_bytes() == whole.segment_path(clip).read_bytes()
    assert killed.video_path.read_bytes() == whole.video_path.read_bytes()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "he following arguments are required: --from"),
        (["--from", "soon"], "a time such as 0:03:12, 3:12.4 or 192.4s is needed"),
        (["--from", "3"], "a time such as"),
        (["--from", "20s"], "--from 0:00:20.0 cannot be used: the film ends at 0:00:09.0"),
        (["--from", "4s", "--until", "3s"], "--until 0:00:03.0 cannot be used: it is not behind"),
        (["--from", "4s", "--until", "10s"], "--until 0:00:10.0 cannot be used: the film ends"),
        (["--from", "4s", "--until", "5s"], "it lasts 2.00 s, and there is room for 1.00 s"),
        (["--from", "8s"], "it lasts 2.00 s, and there is room for 1.00 s"),
        (["--from", "4s", "--seed", -1], "--seed -1 cannot be used"),
        (["--from", "4s", "--audio", "none.wav"], "there is no such file"),
        (["--from", "4s", "--run", "old"], "a retake is a new run, in a folder of its own"),
    ],
)
def test_bad_words_are_refused(old: Path, longtake: Call, words: list[object], line: str) -> None:
    """Code 2, one line, nothing written."""
    before = set(old.parent.iterdir())
    code, out, said = longtake(*words_of(old, *words))
    assert (code, out) == (2, "")
    assert line in said
    assert len(said.strip().splitlines()) == 1
    assert set(old.parent.iterdir()) == before


def test_the_folder_of_another_redub_is_refused(old: Path, longtake: Call, tmp_path: Path) -> None:
    """What differs is said; no run is told, too."""
    assert longtake(*words_of(old, "--from", "4s", "--run", tmp_path / "new"))[0] == 0
    code, _, said = longtake(*words_of(old, "--from", "1s", "--run", tmp_path / "new"))
    assert code == 3
    assert "takes is clips 2 to 3 of" in " ".join(said.split())
    assert longtake(*words_of(tmp_path / "none", "--from", "1s"))[0] in {2, 3}
