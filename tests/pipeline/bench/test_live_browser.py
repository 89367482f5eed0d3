"""Picture and sound of a live film in a browser, by the page's own player."""

from pathlib import Path

import pytest

from pipeline.bench.live_browser import LEVEL, compare_times, measure_in_browser
from pipeline.bench.live_sync import make_live_film
from pipeline.bench.page_browser import find_lack


def test_clicks_are_held_against_the_nearest_flash() -> None:
    """A flash whose click was not yet listened to makes no offset of a second; early and late clicks are told as such."""
    found = compare_times([581.0, 582.0, 583.0], [582.02, 582.99], (49, 50.2))
    assert (found.flashes, found.clicks) == (3, 2)
    assert found.earliest == pytest.approx(-10)
    assert found.latest == pytest.approx(20)
    assert (found.frames, found.frames_there) == (49, 50)


@pytest.mark.slow
@pytest.mark.skipif(bool(find_lack()), reason=f"{find_lack()} is not here")
@pytest.mark.parametrize("late", [0.0, 0.06])
def test_the_end_of_a_long_film_is_together_in_chromium(tmp_path: Path, late: float) -> None:
    """The last seconds of ten minutes, sought to in the page's player: each click comes with its flash, and one that is put 60 ms too late is seen to be."""
    make_live_film(tmp_path, 600, 25, late)
    found = measure_in_browser(tmp_path, 600, 12, 25)
    assert found.clicks >= 9
    assert found.earliest - 1000 * late > -LEVEL / 2
    assert found.latest - 1000 * late < LEVEL / 2
