"""A run of the small film."""

import sys
from pathlib import Path

import pytest

# Tests are imported one by one, not as a package; the small film is found beside them.
sys.path.insert(0, str(Path(__file__).parent))

from small_film import make_start

from storage.run import Run
from storage.run_beginning import NewRun


@pytest.fixture
def start(tmp_path: Path) -> NewRun:
    return make_start(tmp_path)


@pytest.fixture
def run(tmp_path: Path, start: NewRun) -> Run:
    return Run.create(tmp_path / "run", start)
