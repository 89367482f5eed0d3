"""How well the time that was left was told."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.bench.eta_accuracy import sample_etas
from pipeline.monitor.event_reader import Event

ROOT = Path(__file__).parents[3]


def film(clips: int, *, each: float = 2.0, load: float = 30.0) -> Iterator[Event]:
    """A steady film's events, as they come."""
    yield "run_started", {"clips": clips, "done": 0, "offline": False}, 0.0
    for clip in range(clips):
        now = load + each * (clip + 1)
        yield "clip_denoised", {"clip": clip, "seconds": each}, now
        yield "clip_published", {"clip": clip, "frames": 48}, now + 0.5
        yield "stage_seconds", {"stage": "segment", "clip": clip, "seconds": 0.5}, now + 0.5


def test_each_promise_is_held_against_what_came():
    """After each clip but the last: what was said, what it took; a steady film keeps its word from the second on."""
    found = list(sample_etas(film(50)))
    assert [each.made for each in found] == list(range(1, 50))
    assert found[0].took == pytest.approx(98.0)
    assert max(each.error for each in found[1:]) == pytest.approx(0)


def test_a_film_that_did_not_come_to_its_end_gives_none():
    """There is nothing to hold them against."""
    assert not list(sample_etas(list(film(50))[:100]))


def test_the_tool_says_whether_the_levels_are_met(tmp_path: Path):
    """30 % after the first clip, 10 % after five; the exit code says it, too."""
    with (tmp_path / "events.jsonl").open("w") as file:
        for event, facts, when in film(50):
            file.write(json.dumps({"time": when, "event": event, **facts}) + "\n")
    words = [sys.executable, "-m", "pipeline.bench.eta_accuracy", str(tmp_path)]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "after 5 clips" in said.stdout
    assert "took     90.0 s: 0.0% off" in said.stdout
