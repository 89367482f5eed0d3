"""Every golden tensor of the reference, computed on a CPU in float32: those in PARITY_FIXTURES, or the copies in tests/data/parity.

One module of tests.model.parity for each kind of fixture; it reads every size from the fixture.
"""

import json
import os
from importlib import import_module
from pathlib import Path

import pytest
from safetensors.torch import load_file

FOLDER = Path(os.environ.get("PARITY_FIXTURES", Path(__file__).parents[1] / "data" / "parity"))
FIXTURES = [path for path in sorted(FOLDER.glob("*.json")) if path.name != "index.json"]


@pytest.mark.parametrize("facts", FIXTURES, ids=lambda path: path.stem)
def test_the_reference_is_met(facts: Path) -> None:
    """Ours equals the reference within the tolerance that is written beside the tensors."""
    told = json.loads(facts.read_text(encoding="utf-8"))
    kind = import_module(f"tests.model.parity.{told['fixture']}")
    kind.check(told, load_file(facts.with_suffix(".safetensors")))


def test_there_is_something_to_meet() -> None:
    """A folder without fixtures is a mistake, not a success."""
    assert FIXTURES, f"no fixtures in {FOLDER}"
