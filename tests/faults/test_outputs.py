"""Nothing of the user's is harmed: every verb that writes where a person says, against every kind of thing that lies there."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from films import ROOT, TESTS, Tally

from tests import forked


def outputs(what: str, *more: str) -> dict[str, Any]:
    """What tests/faults/outputs.py found."""
    # A folder that also a user who is not root may come to, which pytest's are not.
    with tempfile.TemporaryDirectory(prefix="longtake-outputs-") as folder:
        Path(folder).chmod(0o755)
        command = [sys.executable, str(TESTS / "faults" / "outputs.py"), what, folder, *more]
        there = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = forked.run(command, cwd=ROOT, env=there, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def check(found: dict[str, Any], tally: Tally) -> None:
    """Nothing was wrong, and something was tried."""
    wrong = found.pop("wrong")
    tally(**found)
    assert not wrong, "\n".join(wrong)
    assert found["tried"]


def test_some_kinds_with_a_verb(tally: Tally) -> None:
    """With and without --overwrite: what may be written is, by the same command again too; all else is refused in one line; nothing else changes."""
    check(outputs("matrix", "few"), tally)


def test_some_names_of_a_run_may_be_somebodys(tally: Tally) -> None:
    """A run that is to be made in a folder with a file, a link or a folder by such a name: refused, and none of it is touched."""
    check(outputs("names", "few"), tally)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("what", ["matrix", "names"])
def test_every_kind_with_many_verbs(what: str, tally: Tally) -> None:
    """The same, all of it."""
    check(outputs(what), tally)
