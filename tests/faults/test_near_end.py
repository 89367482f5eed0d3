"""Killed near its end, a long film goes on within seconds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from films import Film, Tally, running, tree
from wavefile import write_wave

MOST = 10.0


def resume(film: Film, place: Path, clips: int) -> tuple[float, float]:
    """Kill it at 95 %, start it again: seconds to the first new clip but for those of replaying, and those."""
    root, most = place / "film", clips * 95 // 100
    with running(film.start("longtake", place)) as started:
        started.wait_for_file(root / "commits" / f"segment.{most:05d}.json")
        started.kill()
        started.end(600)
    done = {path.name for path in (root / "commits").glob("segment.*.json")}
    assert len(done) < clips, "it was killed in time"
    lines = len((root / "events.jsonl").read_text().splitlines())
    again = film.start("longtake", place)
    with running(again):
        status, words = again.end(600)
    assert status == 0, words
    # Through JSON that a kill may have cut.
    events = [json.loads(line) for line in (root / "events.jsonl").read_text().splitlines()[lines:]]
    first = next(event for event in events if event["event"] == "clip_published")
    replayed = sum(e["seconds"] for e in events if e["event"] == "clip_replayed")
    return first["time"] - again.begun - replayed, replayed


def test_a_short_film(film: Film, tmp_path: Path, tally: Tally) -> None:
    """21 clips, killed at the last: the first new clip comes within ten seconds."""
    seconds, _ = resume(film, tmp_path, 21)
    tally(tried=1, seconds_to_first=round(seconds, 2))
    assert seconds <= MOST


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_four_hundred_clips(film: Film, tmp_path: Path, tally: Tally) -> None:
    """The tiny model, 400 clips; and then nothing that an unbroken film has is lacking."""
    audio = tmp_path / "long.wav"
    write_wave(audio, 400 * 12 / 25)
    long = replace(film, audio=audio)
    seconds, replayed = resume(long, tmp_path / "a", 400)
    tally(tried=1, seconds_to_first=round(seconds, 2), seconds_replayed=round(replayed, 2))
    assert seconds <= MOST
    files = [name for name in tree(tmp_path / "a" / "film") if name.startswith("segments/")]
    assert len(files) == 400


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_four_hundred_clips_of_the_shipped_model(tmp_path: Path, tally: Tally) -> None:
    """The shipped weights, small: 400 clips, with its carry every eight."""
    from model.avatar import Options
    from pipeline.bench import material

    asked = material.prepare_material(tmp_path, 400, Options(64, 64, 12, 1))
    flags = ("--size", "64*64", "--sample-steps", "1", "--infer-frames", "12", "--carry-every", "8")
    long = Film(asked.image, asked.audio, flags, shipped=True)
    seconds, replayed = resume(long, tmp_path / "a", 400)
    tally(tried=1, seconds_to_first=round(seconds, 2), seconds_replayed=round(replayed, 2))
    assert seconds <= MOST
