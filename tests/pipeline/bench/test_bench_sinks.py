"""What a listener costs a film: the measurement itself, in the smallest."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_each_kind_of_film_is_made_and_the_webhook_hears_all(tmp_path: Path):
    """A film of two clips three times: with nobody, with a webhook that gets every event, with an address where nobody is."""
    words = ["--runs", "1", "--clips", "2", "--size", "64", "--steps", "1", "--folder", tmp_path]
    command = [sys.executable, "-m", "pipeline.bench.bench_sinks", "--json", *map(str, words)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = {name: films[0] for name, films in json.loads(said.stdout).items()}
    assert set(found) == {"nobody", "webhook", "dead"}
    assert all(film["fps"] > 0 and film["processor"] > 0 for film in found.values())
    assert found["webhook"]["arrived"] == found["webhook"]["events"]
    assert found["nobody"]["arrived"] == found["dead"]["arrived"] == 0
    assert not list(tmp_path.iterdir())
