"""`longtake whose`: what it says of a run, a segment and a film without a watermark, in words and for machines, and its exit code."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

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
