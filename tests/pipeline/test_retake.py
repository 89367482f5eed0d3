"""`longtake retake` as it is typed: what it says, its codes, and the other verbs on what it makes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE
from types import SimpleNamespace

import pytest

from pipeline import api
from pipeline.quality.drift import ClipAppearance, Drift
from pipeline.quality.thresholds import FilmQuality
from storage.run import Run
from tasks.retake import RetakeRequest

ROOT = Path(__file__).parents[2]
Call = Callable[..., tuple[int, str, str]]
FINE = tuple(ClipAppearance(clip, 1.0, 1.0, 0.98) for clip in range(5))
GOOD = FilmQuality(
    film="old", seconds=9.0, frames=225, fps=25, clips=5, clip_frames=48, levels=(), mouth=None,
    sync=None, drift=Drift("it", FINE), seams=None, frozen=(), jumps=(), repeats=(), quiet=None, sound=None,
)  # fmt: skip
"""What is measured of a film of five clips with nothing to complain of."""


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the old film is made once."""
    return tmp_path_factory.mktemp("kept") / "film"


@pytest.fixture
def old(kept: Path, longtake: Call, face: Path, speech: Path, tmp_path: Path) -> Path:
    """A film of five clips."""
    if not kept.exists():
        code, _, said = longtake("new", face, speech, "--run", kept)
        assert code == 0, said
    return shutil.copytree(kept, tmp_path / "old")


def test_it_says_what_it_will_do_and_how_the_joints_look(old: Path, longtake: Call) -> None:
    """Replay, make and share before; a line for each joint after; the film's path alone on stdout."""
    code, out, said = longtake("retake", old, "--clip", 2, "--until", 4, "--seed", 7)
    assert code == 0, said
    root = old.with_name("old-clip2-until4-seed7")
    assert out == f"{root / 'video.mp4'}\n"
    assert "2 clips: 2 to 3, seed 7 (before: 420)" in said
    assert "3 clips: 0 to 1, 4, linked" in said
    assert said.index("make ") < said.index("[SUCCESS] Clip 2 generated")
    assert "[INFO] Retake of" in said
    for clip in (2, 4):
        assert f"seam before clip {clip} (" in said
    assert "from the old past" in said


def test_times_tell_the_clips_that_show_them(old: Path, longtake: Call) -> None:
    """Clips of 1.92 s: from 3.9 s until 7.5 s are clips 2 and 3; a number beside a time is a clip's."""
    made = []
    for words in (["--from", "0:00:03.9", "--until", "7.5s"], ["--from", "4s", "--until", 4]):
        code, out, said = longtake("retake", old, *words, "--seed", 7)
        assert code == 0, said
        made.append(out)
    assert made == [f"{old.with_name('old-clip2-until4-seed7') / 'video.mp4'}\n"] * 2


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "One of --clip N and --from TIME says where the retake begins."),
        (["--clip", 1, "--from", "2s"], "One of --clip N and --from TIME says where"),
        (["--from", "2"], "a time such as 0:03:12, 3:12.4 or 192.4s is needed, not 2."),
        (["--from", "0:61"], "0:61 is no time"),
        (["--from", "0:00:09.7"], "--from 0:00:09.7 is not before the film's end, 0:00:0"),
        (["--from", "9s"], "--from 0:00:09.0 is not before the film's end, 0:00:09.0."),
        (["--from", "5s", "--until", "3s"], "--until 3s is not behind --from 5s."),
        (["--from", "3s", "--until", "2s"], "--until 2s is not behind --from 3s."),
        (["--clip", 1, "--until", "soon"], "a time such as"),
        (
            ["--clip", 1, "--until", "0:01:00"],
            "--until 0:01:00 is behind the film's end, 0:00:09.0",
        ),
        (
            ["--clip", 3, "--until", "1s"],
            "--until 1s is not behind the beginning of clip 3, 0:00:05.8.",
        ),
    ],
)
def test_times_that_are_none_are_refused(
    old: Path, longtake: Call, words: list[object], line: str
) -> None:
    """In one line, before any work: no beginning or two, what is no time, times past the end, an end before the beginning."""
    code, out, said = longtake("retake", old, *words)
    assert (code, out) == (2, "")
    assert line in said
    assert len(said.strip().splitlines()) == 1
    assert list(old.parent.glob("old-clip*")) == []


def test_the_other_verbs_know_it(old: Path, longtake: Call) -> None:
    """status tells where it comes from; verify, resume, mux and inspect do what they do with any run."""
    longtake("retake", old, "--clip", 2, "--until", 4, "--seed", 7)
    new = old.with_name("old-clip2-until4-seed7")
    shutil.rmtree(old)
    shown = "".join(longtake("status", new)[1].split())  # a long path is folded
    assert "2clips:2to3again,seed7(before:420)" in shown
    told = json.loads(longtake("status", new, "--json")[1])
    assert told["parent"]["clip"] == 2
    for words in (["verify", new], ["resume", new], ["inspect", new, "--clip", 3]):
        assert longtake(*words)[0] == 0, words
    assert longtake("mux", new, "--output-file", new / "again.mp4")[0] == 0
    assert (new / "again.mp4").read_bytes() == (new / "video.mp4").read_bytes()


def test_again_it_goes_on_or_is_done(old: Path, longtake: Call) -> None:
    """The same words find the same run, and measure no seam twice; settings given with them hold from then on."""
    longtake("retake", old, "--clip", 2)
    new = Run.open(old.with_name("old-clip2"))
    before = new.records.path("seam", 2).stat().st_mtime_ns
    code, _, said = longtake("retake", old, "--clip", 2, "--keep-frames", "none")
    assert code == 0
    assert f"with seed {new.spec.takes[0].seed}: this goes on with it" in said
    assert Run.open(new.root).settings.keep_frames == "none"
    assert new.records.path("seam", 2).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--clip", "5"], "the film has 5 clips, counted from 0"),
        (["--clip", "3", "--until", "3"], "--until 3 cannot be used"),
        (["--clip", "3", "--until", "6"], "4 to 5"),
        (["--until", "3"], "--clip"),
    ],
)
def test_bad_words_are_refused(old: Path, longtake: Call, words: list[str], line: str) -> None:
    """Code 2, one line, nothing written."""
    before = set(old.parent.iterdir())
    code, out, said = longtake("retake", old, *words)
    assert (code, out) == (2, "")
    assert line in said
    assert set(old.parent.iterdir()) == before


def test_a_lost_past_is_told_with_the_way_out(old: Path, longtake: Call) -> None:
    """verify names it, says that nothing waits for it, and who can bring it back."""
    longtake("retake", old, "--clip", 1, "--until", 2, "--seed", 7)
    new = old.with_name("old-clip1-until2-seed7")
    shutil.rmtree(new / "past")
    code, out, _ = longtake("verify", new)
    assert code == 3
    assert "Only the run that this was taken from can bring past/" in out
    assert "All that is made from it is there." in out
    assert longtake("retake", old, "--clip", 1, "--until", 2, "--seed", 7)[0] == 0
    assert longtake("verify", new)[0] == 0


def test_from_python(old: Path) -> None:
    """pipeline.api.retake gives the film and its seams, and calls back after each clip."""
    told: list[tuple[int, int]] = []
    found = api.retake(old, RetakeRequest(3, until=4, seed=7), lambda *clip: told.append(clip))
    assert (found.film.made, found.film.clips) == (1, 5)
    assert [seam.clip for seam in found.seams] == [3, 4]
    assert found.seams[0].apart is None
    assert told == [(3, 5)]
    assert found.seams == api.retake(old, RetakeRequest(3, until=4, seed=7)).seams


def test_the_worst_clips_are_made_again_and_measured_again(
    old: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which and why before, one run with the clips as stretches, both measures after; the same words again find all done."""
    harmed = {each.clip: each for each in FINE} | {
        1: ClipAppearance(1, 9.0, 1.0, 0.98),
        3: ClipAppearance(3, 1.0, 1.0, 0.7),
        4: ClipAppearance(4, 3.5, 1.0, 0.98),
    }
    looks = {old: tuple(harmed.values())}

    def read(root: Path, **_: object) -> object:
        return SimpleNamespace(quality=replace(GOOD, drift=Drift("it", looks.get(root, FINE))))

    monkeypatch.setattr("pipeline.upkeep.worst_retake.read_film", read)
    words = ("retake", old, "--worst", 2, "--seed", 7)
    code, out, said = longtake(*words)
    assert code == 0, said
    new = Run.open(old.with_name("old-worst2-seed7"))
    assert out == f"{new.video_path}\n"
    assert [(take.clip, take.until) for take in new.spec.takes] == [(1, 2), (3, 4)]
    assert said.index("worst: clip 3, likeness to it 0.70, level ≥ 0.9") < said.index(
        "worst: clip 1"
    )
    assert said.index("worst: clip 1") < said.index("2 clips: 1, 3, seed 7 (before: 420)")
    assert "clip 3: likeness to it 0.70 before, 0.98 now, level ≥ 0.9: met" in said
    assert [said.count(f"seam before clip {clip} ") for clip in range(5)] == [0, 1, 1, 1, 1]
    shown = "".join(longtake("status", new.root)[1].split())
    assert "2clips:1,3again,seed7(before:420)" in shown
    before = new.video_path.stat().st_mtime_ns
    assert longtake(*words)[0] == 0
    assert new.video_path.stat().st_mtime_ns == before
    assert longtake("verify", new.root)[0] == 0


def test_a_film_without_bad_clips_is_left_alone(
    old: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said, code 0, nothing made."""
    good = SimpleNamespace(quality=GOOD)
    monkeypatch.setattr("pipeline.upkeep.worst_retake.read_film", lambda *_, **__: good)
    code, out, said = longtake("retake", old, "--worst", 3)
    assert (code, out) == (0, "")
    assert "No clip misses a level" in said
    assert list(old.parent.glob("old-*")) == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--worst", 0], "--worst 0 cannot be used: 1 to 5 is needed: the film has 5 clips"),
        (["--worst", 6], "--worst 6 cannot be used: 1 to 5 is needed"),
        (["--worst", "two"], "a whole number is needed, not two"),
        (["--worst", 2, "--clip", 1], "--worst finds its clips itself: leave --clip out."),
        (["--worst", 2, "--until", 4], "leave --until out."),
    ],
)
def test_bad_words_about_the_worst_are_refused(
    old: Path, longtake: Call, words: list[object], line: str
) -> None:
    """Code 2, one line, before the film is read."""
    code, out, said = longtake("retake", old, *words)
    assert (code, out) == (2, "")
    assert line in said
    assert len(said.strip().splitlines()) == 1


def test_the_worst_of_what_is_no_film_are_refused(
    old: Path, longtake: Call, tmp_path: Path
) -> None:
    """No run, one that is at work, one that is not finished: a line."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path; from storage.lock import hold_lock\n"
    code += f"with hold_lock(Path({str(old)!r})): print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE, text=True)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        code, _, said = longtake("retake", old, "--worst", 1)
        holder.kill()
    assert (code, len(said.strip().splitlines())) == (75, 1)
    Run.open(old).records.withdraw("video")
    code, _, said = longtake("retake", old, "--worst", 1)
    assert (code, len(said.strip().splitlines())) == (3, 1)
    assert f"The film of {old} has not been made yet" in said
    assert longtake("retake", tmp_path / "none", "--worst", 1)[0] in {2, 3}
