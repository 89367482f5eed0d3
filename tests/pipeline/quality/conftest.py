"""A drawn film, watched once for all tests."""
# ruff: noqa: E402 - the path is set before what lies on it

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[2])]

from drawn_film import Drawn, draw_film, watch

from pipeline.quality.frame_tracks import FrameTracks
from pipeline.quality.thresholds import FilmQuality, judge_film


@pytest.fixture(scope="session")
def drawn() -> Drawn:
    """Twenty seconds with two pauses."""
    return draw_film()


@pytest.fixture(scope="session")
def tracks(drawn: Drawn) -> FrameTracks:
    """All that is measured of it."""
    return watch(drawn)


@pytest.fixture(scope="session")
def clean(tracks: FrameTracks) -> FilmQuality:
    """Its verdict."""
    return judge_film(tracks, "drawn")
