"""Picture and sound of a live film, measured by a signal whose answer is known."""

from pathlib import Path

import pytest

from pipeline.bench.live_sync import make_live_film, measure_offsets


@pytest.mark.parametrize("fps", [16, 25])
def test_clicks_come_with_their_flashes(tmp_path: Path, fps: int) -> None:
    """Played by its playlist, each click of a live film begins with its flash, to the half of a millisecond."""
    found = measure_offsets(make_live_film(tmp_path, 12, fps))
    assert found.flashes == found.clicks == 11
    assert abs(found.worst) < 0.5


def test_a_shift_is_seen(tmp_path: Path) -> None:
    """Sound that is 60 ms late, or 60 ms early, is measured so."""
    for late in (0.06, -0.06):
        found = measure_offsets(make_live_film(tmp_path, 6, 25, late))
        assert found.worst == pytest.approx(1000 * late, abs=0.5)
