"""kill -9 before every step of `verify --repair`, of each kind of damage: what it withdrew is not forgotten, and the same command ends it."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from films import Film, Tally
from repairs import EACH, SEVERAL
from test_write_points import forks


def killed(film: Film, folder: Path, stride: int, kinds: Iterable[str]) -> dict[str, int]:
    """Kills; damaged films that `verify` called whole, repairs that did not heal, other bytes."""
    found = forks("repairs", film, folder / "repairs", stride, ",".join(kinds))
    counts = {name: found.get(name, 0) for name in ("killed", "unsaid", "by_hand", "differing")}
    assert {counts[name] for name in ("unsaid", "by_hand", "differing")} == {0}, counts
    return {**counts, "kinds": found["kinds"]}


def test_a_killed_repair_is_gone_on_with(brief: Film, tmp_path: Path, tally: Tally) -> None:
    """Every 40th step where files of all stages are damaged at once: never said to be whole before it is, and then the same bytes."""
    tally(**killed(brief, tmp_path, 40, ["several flipped"]))


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("stride", "kinds"), [(1, SEVERAL), (4, EACH)], ids=["several", "each"])
def test_a_repair_killed_before_every_step(
    brief: Film, tmp_path: Path, tally: Tally, stride: int, kinds: dict[str, object]
) -> None:
    """Every step of several; every fourth of each kind of file, record and folder, flipped, lost, or with a folder in its place."""
    tally(**killed(brief, tmp_path, stride, kinds))
