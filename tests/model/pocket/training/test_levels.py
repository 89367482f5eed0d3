"""What the table says of what was measured."""

from dataclasses import replace

import numpy as np
import pytest

from model.pocket.training.face_measures import FaceHold
from model.pocket.training.levels import Findings, LevelRow, Take, _face_rows, _life_rows
from model.pocket.training.measures import Pops

REST, SPOKEN = 100.0, 300.0


def row(area: np.ndarray) -> LevelRow:
    """The one about a mouth in silence, where a shut mouth reads REST and speech SPOKEN."""
    spoken = Take(np.full(100, SPOKEN, np.float32), REST, 1.0, 1.0, 3, Pops(1, 1))
    quiet = replace(spoken, area=area.astype(np.float32))
    return _life_rows(Findings(takes={"en": [spoken]}, quiet=[quiet]))[0]


def test_a_mouth_that_opens_in_silence_counts_for_as_long_as_it_is_open() -> None:
    """Wide open for a tenth of the time is a tenth, whatever it does the rest of the time."""
    area = np.full(100, REST)
    area[:10] = SPOKEN
    assert row(area).value == pytest.approx(0.1)
    assert not row(area).met
    # Less of the lips at another time makes no good of it.
    area[50:] = 0
    assert row(area).value == pytest.approx(0.1)


def test_a_shut_mouth_drawn_smaller_than_in_the_picture_is_no_opening() -> None:
    """Lips or a beard a little lighter than the picture's are not a mouth."""
    assert row(np.full(100, REST - 20)).value == 0


def test_the_worst_face_decides_and_is_named() -> None:
    """One of two whose eye has gone misses likeness, colour and sharpness; its ghosts are told where films have some."""
    good = FaceHold("hair", 0.999, 1.0, 0.4, 1.01, 0.01)
    bad = FaceHold("right eye", 0.57, 0.95, 3.3, 0.82, 0.3)
    assert all(each.met for each in _face_rows(Findings(holds=[good], ghosts=[0.01, 0.1])))
    rows = _face_rows(Findings(holds=[good, bad], ghosts=[0.5]))
    assert [each.met for each in rows] == [False] * 6
    assert "2 faces" in rows[0].what
    assert "right eye" in rows[0].what
    assert [each.value for each in rows] == [0.57, 0.95, 3.3, 0.3, 0.82, 0.5]
    assert not _face_rows(Findings())
