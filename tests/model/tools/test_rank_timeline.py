"""What share of the time a rank computed, waited, or had nothing to do."""

import json
import sys
from pathlib import Path

import pytest

from model.tools import rank_timeline
from model.tools.rank_timeline import Row, measure_shares


def make_rows(clips: int) -> list[Row]:
    """A task a clip, of two seconds: a quarter waits, half computes, then nothing."""
    return [(clip, 0, 0, 2.0 * clip, 2 * clip + 0.5, 2 * clip + 1.5) for clip in range(clips)]


def test_shares_are_of_the_time_until_the_last_clip_begins() -> None:
    """The first three clips and the last do not count: of the six seconds of three between them, 3 compute and 1.5 wait."""
    found = measure_shares(1, make_rows(7))
    assert (found.rank, found.clips) == (1, 3)
    assert found.seconds == pytest.approx(2)
    assert (found.computing, found.waiting) == pytest.approx((0.5, 0.25))
    assert found.idle == pytest.approx(0.25)


def test_clips_that_take_turns_leave_no_idle_time() -> None:
    """By layers the first tasks of a clip come between the last ones of the clip before: all of them count that lie in the time."""
    order = [(clip + (task > 2 and turn), task) for clip in range(7) for task in range(4) for turn in range(2)]  # fmt: skip
    rows = [(clip, 0, task, float(n), float(n), n + 1.0) for n, (clip, task) in enumerate(order)]
    found = measure_shares(0, rows)
    assert found.computing == pytest.approx(1)
    assert found.idle == pytest.approx(0)
    assert found.seconds == pytest.approx(8)


def test_too_few_clips_are_refused() -> None:
    """With how many there are."""
    with pytest.raises(ValueError, match="3 clips are too few"):
        measure_shares(0, make_rows(3))


def test_a_table_has_a_row_for_each_rank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the files of a folder, in the order of the ranks."""
    for rank in (1, 0):
        (tmp_path / f"rank-{rank}.json").write_text(json.dumps(make_rows(7)))
    monkeypatch.setattr(sys, "argv", ["rank_timeline", str(tmp_path)])
    rank_timeline.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["0", "1"]
    assert lines[2] == "| 0 | 2.000 | 50.0% | 25.0% | 25.0% |"
