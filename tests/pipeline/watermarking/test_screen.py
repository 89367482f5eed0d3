"""`longtake whose`: what it says of a run, a segment and a film without a watermark, in words and for machines, and its exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.watermarking.screen import FoundWatermark
from storage.run import Run

Call = Callable[..., tuple[int, str, str]]
SIZE = ("--size", "192*192", "--num-clip", "3", "--infer-frames", "12")


@pytest.fixture
def run(face: Path, speech: Path, longtake: Call) -> Run:
    """A film with a watermark."""
    assert longtake("new", face, speech, "--run", "marked", *SIZE, "--watermark", "ACME")[0] == 0
    return Run.open(Path("marked"))


def test_run_film_and_segment_tell_whose_they_are(run: Run, longtake: Call):
    """The id, when it is there, and how sure that is; code 0."""
    code, out, _ = longtake("whose", "marked")
    assert code == 0
    assert "ACME (41434d450000) from 0:00:00.0 to 0:00:01.4; by chance at most 1 in 10^" in out
    for file in (run.video_path, run.segment_path(1)):
        code, out, _ = longtake("whose", file, "--json")
        (found,) = json.loads(out)["found"]
        assert (code, found["id"], found["text"]) == (0, "41434d450000", "ACME")


def test_retake_has_the_id_of_the_film(run: Run, longtake: Call):
    """Of all its clips, the old ones and those made again."""
    assert longtake("retake", "marked", "--clip", 1, "--until", 2, "--run", "other")[0] == 0
    assert Run.open(Path("other")).spec.watermark == run.spec.watermark
    for clip in range(3):
        assert longtake("whose", Run.open(Path("other")).segment_path(clip))[0] == 0


def test_film_without_a_watermark_is_nobodys(face: Path, speech: Path, longtake: Call):
    """Code 8, in words and for machines."""
    assert longtake("new", face, speech, "--run", "plain", *SIZE)[0] == 0
    code, out, err = longtake("whose", "plain")
    assert (code, out) == (8, "")
    assert "No watermark was found in plain/video.mp4 (0:00:01.4)." in err
    code, out, _ = longtake("whose", "plain", "--json")
    assert (code, json.loads(out)["found"]) == (8, [])


def test_what_has_no_film_is_refused(face: Path, speech: Path, longtake: Call):
    """Nothing there, a folder that is no run, a sound, a run without a film: a line, and the code."""
    assert longtake("whose", "nowhere.mp4")[0] == 2
    assert longtake("whose", speech)[0] == 2
    assert longtake("whose")[0] == 2


def test_verify_says_whether_the_film_carries_its_watermark(
    run: Run, face: Path, speech: Path, longtake: Call
):
    """In words and for machines; of a film without one nothing."""
    assert "The film carries its watermark, ACME (41434d450000)." in longtake("verify", "marked")[1]
    told = json.loads(longtake("verify", "marked", "--json")[1])["watermark"]
    assert told["id"] == run.spec.watermark
    assert told["shown"] == pytest.approx(told["seconds"], abs=0.1)
    assert longtake("new", face, speech, "--run", "plain", *SIZE)[0] == 0
    assert "watermark" not in longtake("verify", "plain")[1]


def test_a_watermark_that_is_lost_in_part_or_in_whole_is_told():
    """With how much of the film has it."""
    assert str(FoundWatermark("414243000000", 0.0, 60.0)) == "Its watermark, ABC (414243000000), was not found in the film."  # fmt: skip
    assert str(FoundWatermark("414243000000", 20.0, 60.0)).endswith("ABC (414243000000), in 0:00:20.0 of 0:01:00.0.")  # fmt: skip
