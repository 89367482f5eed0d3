"""What a live film costs: the measurement itself, in the smallest."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_both_kinds_are_made_and_the_playlist_is_timed(tmp_path: Path):
    """A film of two clips twice: only the live one has a first clip in a playlist, soon after it was published."""
    words = ["--runs", "1", "--clips", "2", "--size", "64", "--steps", "1", "--folder", tmp_path]
    command = [sys.executable, "-m", "pipeline.bench.bench_live", "--json", *map(str, words)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = {name: films[0] for name, films in json.loads(said.stdout).items()}
    assert all(film["fps"] > 0 and film["processor"] > 0 for film in found.values())
    assert found["plain"]["first"] == 0
    assert found["grow"]["first"] > found["grow"]["latency"] >= 0
