"""The comparison of plans with films; the films themselves are made by hand (make bench-plan)."""

from argparse import Namespace
from pathlib import Path

import pytest

from pipeline.bench.bench_plan import SIZES, PlanRow, format_row, list_films, repeat_speech
from pipeline.commands.parser import parse_command


def test_ten_films_that_can_be_asked_for() -> None:
    """Ten of pocket, four of live-avatar; each a command line that parses, its name in no other's place."""
    asked = Namespace(weights="ckpt", sizes=SIZES, flags="fp8 carry-every=0", clips=6)
    small, large = list(list_films(Namespace(weights=None))), list(list_films(asked))
    assert (len(small), len(large)) == (10, 4)
    assert len({name for name, _ in (*small, *large)}) == 14
    for _, words in (*small, *large):
        assert parse_command(["plan", "face.png", *words]).verb == "plan"
    assert all("--fp8" in words for _, words in large)


def test_a_line_says_both_and_how_far_off() -> None:
    """Bytes as MB, time as seconds, the difference in hundredths of what was measured."""
    row = PlanRow("a film", {"host": 110e6, "time": 9.0}, {"host": 100e6, "time": 10.0}, 2.0)
    assert format_row(row) == "| a film | 110.0 / 100.0, +10.0 % | 9.0 / 10.0, -10.0 % | 2.0 |"
    assert row.off("time") == pytest.approx(-0.1)


def test_a_longer_sound(tmp_path: Path) -> None:
    """The examples' voice five times."""
    import wave

    with wave.open(str(repeat_speech(tmp_path))) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(63.8, abs=1)
