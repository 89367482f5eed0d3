"""How a drawn mouth opens, its width and rounding are read from its frames."""

import numpy as np
import pytest

from model.pocket.training.judged_presenters import (
    Presenter,
    learn_mouth,
    make_presenters,
    move_with_speech,
)
from model.pocket.training.measures import correlate_at_lag
from model.pocket.training.mouth_shape import MouthReader, MouthTrack
from model.pocket.training.samples import read_samples

SIZE, FRAMES = 160, 60
CURVES = [sample.curves for sample in read_samples()]


@pytest.fixture(scope="module")
def who() -> Presenter:
    return make_presenters(1, SIZE, first=800_000)[0]


@pytest.fixture(scope="module")
def reader(who: Presenter) -> MouthReader:
    return learn_mouth(who, CURVES)


def read_film(who: Presenter, reader: MouthReader, curves: np.ndarray) -> MouthTrack:
    return reader.read(who.draw_mouths(move_with_speech(curves, 4)))


def test_a_true_film_reads_its_own_curves(who: Presenter, reader: MouthReader) -> None:
    """Of speech, with a head that moves, nine tenths of each curve and more; the opening nearly all, and better than dark pixels tell it."""
    said = CURVES[0][20 : 20 + FRAMES]
    track = read_film(who, reader, said)
    for seen, true in zip(track.columns, said.T, strict=True):
        assert correlate_at_lag(seen, true) > 0.85
    opening, dark = (correlate_at_lag(seen, said[:, 0]) for seen in (track.opening, track.area))
    assert opening > max(0.97, dark)


def test_an_opening_that_teeth_fill_is_read(who: Presenter, reader: MouthReader) -> None:
    """From a seventh of its reach to two fifths a mouth grows no darker; it is read to open all the way."""
    rise = np.linspace(0.15, 0.4, FRAMES, dtype=np.float32)
    still = np.full_like(rise, 0.5)
    track = read_film(who, reader, np.stack([rise, still, 0 * rise], 1))
    assert correlate_at_lag(track.opening, rise) > 0.9
    assert np.ptp(track.opening) > 0.15


def test_width_and_rounding_are_told_apart_from_opening(
    who: Presenter, reader: MouthReader
) -> None:
    """A mouth that only opens and shuts reads neither wide nor round, one that is only drawn in reads both."""
    swing = np.abs(np.linspace(-1, 1, FRAMES, dtype=np.float32))
    still = np.full_like(swing, 0.5)
    opens = read_film(who, reader, np.stack([swing, still, 0 * swing], 1))
    drawn_in = read_film(who, reader, np.stack([still, 0.9 - 0.8 * swing, swing], 1))
    assert np.ptp(drawn_in.width) > 2 * np.ptp(opens.width)
    assert np.ptp(drawn_in.rounding) > 2 * np.ptp(opens.rounding)
    assert correlate_at_lag(drawn_in.rounding, swing) > 0.9
    assert correlate_at_lag(drawn_in.width, -swing) > 0.9
