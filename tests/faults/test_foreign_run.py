"""A run of somebody else, with links and hostile files in every place, by every verb: nothing outside of it changes, and the end is one line."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from films import ROOT, TESTS, Film, Tally
from wavefile import write_wave

from tests import forked


def try_all(film: Film, folder: Path, stride: int) -> dict[str, int]:
    """What tests/faults/foreign.py found; what is not well is shown where a test fails."""
    folder.mkdir()
    audio = folder / "brief.wav"
    write_wave(audio, 2.0)
    asked = replace(film, audio=audio)
    paths = [str(each) for each in (asked.image, asked.audio, folder)]
    command = [sys.executable, str(TESTS / "faults" / "foreign.py"), *paths, str(stride)]
    done = forked.run(
        command, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    assert found["differing"] == 0
    return found


def test_some_harms_by_some_verbs(film: Film, tmp_path: Path, tally: Tally) -> None:
    """Every 97th pair: each kind of harm and each verb is among them."""
    tally(**try_all(film, tmp_path / "foreign", 97))


@pytest.mark.slow
@pytest.mark.timeout(3400)
def test_every_harm_by_some_verbs(film: Film, tmp_path: Path, tally: Tally) -> None:
    """Every seventh pair."""
    tally(**try_all(film, tmp_path / "foreign", 7))
