"""A drawn film, watched once for all tests."""
# ruff: noqa: E402 - the path is set before what lies on it

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[2])]

from drawn_film import Drawn, draw_film, watch

from pipeline.quality.judgement import Quality, judge
from pipeline.quality.tracks import Tracks


@pytest.fixture(scope="session")
def drawn() -> Drawn:
    """Twenty seconds with two pauses."""
    return draw_film()


@pytest.fixture(scope="session")
def tracks(drawn: Drawn) -> Tracks:
    """All that is measured of it."""
    return watch(drawn)


@pytest.fixture(scope="session")
def clean(tracks: Tracks) -> Quality:
    """Its verdict."""
    return judge(tracks, "drawn")
