"""longtake verify: what it says of a run, what it leaves alone, what it makes again."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from harm import HARMS, digests, flip

from pipeline.upkeep.verify import estimate_repair_seconds
from storage.lock import hold_lock
from storage.run import Run
from tasks.repair import estimate_repair

ROOT = Path(__file__).parents[3]
Call = Callable[..., tuple[int, str, str]]


def every_file(root: Path) -> dict[str, str]:
    """The hash of each file, logs included."""
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where films are made once."""
    return tmp_path_factory.mktemp("verified")


@pytest.fixture
def made(kept: Path, face: Path, speech: Path, tmp_path: Path, longtake: Call) -> Path:
    """A finished film of five clips."""
    if not (kept / "made").exists():
        code, _, err = longtake("new", face, speech, "--run", kept / "made", "--carry-every", "2")
        assert code == 0, err
    return shutil.copytree(kept / "made", tmp_path / "x")


@pytest.fixture
def half(
    kept: Path, face: Path, speech: Path, longtake: Call, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The same, stopped by a fault of clip 3."""
    if not (kept / "half").exists():
        (fail := face.parent / "fail").mkdir()
        (fail / "denoise.3").write_text("9")
        monkeypatch.setenv("FAKE_FAIL", str(fail))
        words = ["new", face, speech, "--run", kept / "half", "--carry-every", "2"]
        assert longtake(*words, "--retry-delay", "0")[0] == 4
        monkeypatch.delenv("FAKE_FAIL")
    return shutil.copytree(kept / "half", face.parent / "x")


def test_a_whole_run_is_said_to_be_whole(made: Path, longtake: Call) -> None:
    """One line and code 0; nothing is written, and no one is asked for the lock."""
    before = every_file(made)
    with hold_lock(made):
        locked = every_file(made)
        code, out, err = longtake("verify", "x")
        assert every_file(made) == locked
    assert code == 0, out + err
    assert "x is whole: 5 clips, the film and its sound" in out
    assert len(out.splitlines()) == 1
    assert every_file(made) == before


def test_no_torch_is_loaded(made: Path) -> None:
    """It is a reader of files: on a machine without the model, and quick."""
    look = "from pipeline.cli import main; import sys; code = main(['verify', sys.argv[1]]); "
    look += "assert 'torch' not in sys.modules; sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", look, str(made)], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_damage_is_named_with_its_price_and_nothing_is_written(made: Path, longtake: Call) -> None:
    """Each file with what is wrong, each kind of work with its clips and the seconds, the command; code 3."""
    for name in ("latents/c.1.0.0.0.0", "steps/c.2.0.0.0.0.0", "run.json"):
        flip(made / name)
    (made / "segments/00003.mp4").unlink()
    before = every_file(made)
    code, out, err = longtake("verify", "x")
    assert (code, err) == (3, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "x is damaged: 4 files" in lines[0]
    assert "clip 1 latents/c.1.0.0.0.0 is not what was written" in lines
    assert "clip 3 segments/00003.mp4 is missing" in lines
    assert "run.json is not what was written" in lines
    assert "copy the latents of clip 1, from their steps" in lines
    assert "denoise clip 2" in lines
    assert "encode clip 3, from the frames that are there" in lines
    assert any(line.startswith("To make it whole, about") for line in lines)
    assert lines[-1] == "longtake verify x --repair"
    assert every_file(made) == before


def test_json_has_all_of_it(made: Path, longtake: Call) -> None:
    """The same for machines: files, flaws, clips, seconds."""
    (made / "audio/c.4.0.0.0").unlink()
    code, out, _ = longtake("verify", "x", "--json")
    found = json.loads(out)
    assert (code, found["state"], found["finished"], found["clips_done"]) == (3, "damaged", True, 5)
    assert found["found"] == [
        {
            "stage": "audio",
            "clip": 4,
            "path": "audio/c.4.0.0.0",
            "flaw": "is missing",
            "damage": True,
        }
    ]
    assert found["price"]["hear"] == [4]
    assert found["seconds"] > 0


def test_repair_says_the_price_and_makes_the_run_whole(made: Path, longtake: Call) -> None:
    """What is broken on stderr before, the verdict on stdout after; the same bytes; and again there is nothing to do."""
    before = digests(made)
    for name in ("latents/c.1.0.0.0.0", "frames/c.2.0.0.0.0", "video.mp4", "zarr.json"):
        flip(made / name)
    code, out, err = longtake("verify", "x", "--repair")
    assert code == 0, err
    assert "x is damaged: 4 files" in err
    assert "--repair" not in err
    assert "x is whole again: 5 clips, the film and its sound" in out
    assert digests(made) == before
    assert "whole: 5 clips" in longtake("verify", "x", "--repair")[1]


def test_a_half_made_film_is_healed_and_not_finished(half: Path, longtake: Call) -> None:
    """What was not there before is left to `resume`, whose command is said."""
    code, out, _ = longtake("verify", "x")
    assert code == 0
    assert "whole as far as it goes: 3 of 5 clips" in out
    assert out.splitlines()[-1] == "longtake resume x"
    flip(half / "segments/00001.mp4")
    (half / "commits/latents.00000.json").unlink()
    assert longtake("verify", "x")[0] == 3
    assert longtake("verify", "x", "--repair")[0] == 0
    assert Run.open(half).records.clips("segment") == [0, 1, 2]
    assert not (half / "video.mp4").exists()
    assert longtake("resume", "x")[0] == 0
    assert longtake("verify", "x")[0] == 0


def test_a_lost_input_is_the_persons_to_bring_back(
    made: Path, face: Path, speech: Path, longtake: Call
) -> None:
    """It is named with the hash of what belongs there; a repair does the rest; the same `new` with the original puts it back."""
    (made / "inputs/audio.wav").unlink()
    (made / "segments/00002.mp4").unlink()
    code, out, err = longtake("verify", "x", "--repair")
    assert code == 3, err
    assert "Only you can bring inputs/audio.wav back" in out
    assert hashlib.sha256(speech.read_bytes()).hexdigest() in "".join(out.split())
    assert "All that is made from it is there" in " ".join(out.split())
    assert (made / "segments/00002.mp4").exists()
    assert longtake("new", face, speech, "--run", "x", "--carry-every", "2")[0] == 0
    assert longtake("verify", "x")[0] == 0


def test_a_lost_input_that_is_needed_stops_the_repair_in_one_line(
    made: Path, longtake: Call
) -> None:
    """Its sound must be made again and cannot be: which file, and what to do."""
    (made / "inputs/audio.wav").write_bytes(b"")
    flip(made / "soundtrack.m4a")
    code, _, err = longtake("verify", "x", "--repair")
    assert code == 3
    last = err.splitlines()[-1]
    assert "inputs/audio.wav is not the file that the film was begun with" in last
    assert "Copy the original there" in last


def test_notes_are_no_damage(half: Path, longtake: Call) -> None:
    """A draft of a crash, a chunk before its record and a file of somebody else are told, and the code is 0; --repair sweeps the draft."""
    (half / ".00009.999999-00000000.partial.mp4").write_bytes(b"half a segment")
    (half / "notes.txt").write_text("mine")
    (half / "latents/c.4.0.0.0.0").write_bytes(b"half a chunk")
    (half / "commits/latents.00003.json").unlink(missing_ok=True)
    code, out, _ = longtake("verify", "x")
    said = " ".join(out.split())
    assert code == 0, out
    assert "partial.mp4 is a draft of a crash" in said
    assert "notes.txt is none of the run's files" in said
    code, out, _ = longtake("verify", "x", "--repair")
    assert (code, "partial" in out, (half / "notes.txt").exists()) == (0, False, True)
    assert not list(half.glob(".*.partial.*"))


def test_a_run_without_its_papers_is_one_line(made: Path, longtake: Call) -> None:
    """run.json and its copy both gone or damaged: said, with the way out."""
    for name in ("run.json", "run.copy.json"):
        (made / name).write_bytes(b"{")
    for words in (["verify", "x"], ["verify", "x", "--repair"], ["status", "x"]):
        code, out, err = longtake(*words)
        assert (code, out) == (3, "")
        assert len(err.splitlines()) == 1
        assert "both damaged" in err


def test_repair_waits_for_nobody(
    made: Path, started: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """A run that another process works on is not repaired: code 75."""
    with hold_lock(made):
        process = started("verify", "x", "--repair", fakes={"LONGTAKE_LOCKS": ""})
        _, err = process.communicate()
    assert process.returncode == 75
    assert "is being worked on by" in err


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "remove"])
def test_status_and_inspect_say_a_line_on_a_damaged_run(
    made: Path, longtake: Call, harm: str
) -> None:
    """Whatever is harmed, they answer or say what is damaged in one line; never a fault of longtake itself."""
    names = [
        *(f"{name}/zarr.json" for name in ("latents", "steps", "frames", "present")),
        *("zarr.json", "run.json", "events.jsonl", "video.mp4", "present/c.0"),
        *("latents/c.1.0.0.0.0", "frames/c.1.0.0.0.0", "segments/00001.mp4"),
        *("commits/latents.00001.json", "commits/segment.00001.json", "steps/c.1.0.0.0.0.0"),
    ]
    for name in names:
        content = (made / name).read_bytes()
        HARMS[harm](made / name)
        for words in (["status", "x"], ["status", "x", "--json"], ["inspect", "x", "--clip", "1"]):
            code, out, err = longtake(*words)
            assert code in {0, 3}, (name, words, err)
            assert len(err.splitlines()) == (code == 3), (name, words, err)
            assert "--json" not in words or json.loads(out)
        (made / name).write_bytes(content)


def test_a_lock_that_cannot_be_read_names_nobody(made: Path, longtake: Call) -> None:
    """Its text only serves messages, so a torn one stops nothing."""
    for text in ('{"host": 3', "[]", '{"process": "x", "host": "y", "since": "", "token": ""}'):
        (made / "run.lock").write_text(text)
        assert longtake("status", "x")[0] == 0
        assert longtake("verify", "x")[0] == 0


def test_the_estimate_is_sum_of_what_is_known(made: Path) -> None:
    """Of each kind of work the run's own seconds; none where it has not done it yet."""
    run = Run.open(made)
    for name in ("latents/c.3.0.0.0.0", "steps/c.3.0.0.0.0.0"):
        (made / name).unlink()
    from storage.scan import RunScan

    price = estimate_repair(run, RunScan(run, thorough=True).findings())
    assert len(price.denoise) + sum(map(len, price.replay)) == 2
    assert estimate_repair_seconds(price, {"denoise": 3.0}) == 6.0
    assert estimate_repair_seconds(price, {"segment": 3.0}) is None


def test_quality_is_told_beside_wholeness(made: Path, longtake: Call) -> None:
    """The fake's films are whole and no good: both are said, code 7, one line that names the page to look at; JSON has both; nothing is written."""
    before = every_file(made)
    code, out, err = longtake("verify", "x", "--quality")
    assert code == 7, out + err
    assert "x is whole: 5 clips" in out
    assert "that could be measured" in out
    assert err.splitlines()[-1].endswith("See where: longtake report x")
    code, out, _ = longtake("verify", "x", "--quality", "--json")
    found = json.loads(out)
    assert (code, found["state"]) == (7, "whole")
    assert found["quality"]["frames"] == 225
    assert {level["met"] for level in found["quality"]["levels"]} >= {True, False}
    assert every_file(made) == before


def test_damage_comes_before_quality(made: Path, longtake: Call) -> None:
    """A damaged run is damaged, whatever its film is like: code 3."""
    flip(made / "latents/c.1.0.0.0.0")
    code, out, _ = longtake("verify", "x", "--quality")
    assert code == 3
    assert "x is damaged" in out


def test_a_film_that_is_not_there_has_no_quality(half: Path, longtake: Call) -> None:
    """One line that says what makes it."""
    code, _, err = longtake("verify", "x", "--quality")
    assert code == 3
    assert err.splitlines() == [
        "longtake: The film of x has not been made yet. `longtake resume` makes what is missing."
    ]


def test_a_report_is_no_stray_of_the_run(made: Path, longtake: Call) -> None:
    """`longtake report` prints its page, which lies in the run; `verify` has nothing to say about it; --json has every film."""
    code, out, err = longtake("report", "x")
    assert code == 0, err
    assert out.splitlines()[-1] == "x/report.html"
    assert "x is whole: 5 clips, the film and its sound" in longtake("verify", "x")[1]
    assert len(longtake("verify", "x")[1].splitlines()) == 1
    code, out, _ = longtake("report", "x", "x/video.mp4", "--json", "--output-file", "two.html")
    found = json.loads(out)
    assert (code, found["page"], len(found["films"])) == (0, "two.html", 2)
    assert found["films"][0]["made"]["mode"] == "online"
    assert found["films"][0]["made"]["first_clip"] > 0
    code, out, err = longtake("report", "nowhere")
    assert (code, out) == (2, "")
    assert "nowhere is not a run" in err
