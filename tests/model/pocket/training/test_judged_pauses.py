"""Pauses in what is said: where they lie, and what is read of a motion in them."""

import numpy as np
import pytest

from model.motion_columns import MOTION
from model.pocket.training.findings import Findings, PauseTake
from model.pocket.training.judged_pauses import (
    PAUSE,
    SPEECH,
    compare_motion,
    find_blinks,
    find_onset,
    insert_pauses,
)
from model.pocket.training.levels import tabulate_levels
from model.pocket.training.samples import Sample

FRAMES = SPEECH + PAUSE + 96


def test_speech_is_the_same_on_both_sides() -> None:
    """Four seconds of nothing, or of a room, at a place that is known; not a sample of the words is lost but in the fades."""
    rng = np.random.default_rng(1)
    said = Sample("x", rng.random(300 * 640, np.float32), rng.random((300, 3), np.float32))
    silent, room = insert_pauses(said)
    for each in (silent, room):
        assert (len(each.sound), len(each.curves)) == (FRAMES * 640, FRAMES)
        assert np.array_equal(each.sound[: SPEECH * 640 - 160], said.sound[: SPEECH * 640 - 160])
        behind = slice(SPEECH * 640 + 160, (SPEECH + 96) * 640)
        assert np.array_equal(each.sound[(SPEECH + PAUSE) * 640 + 160 :], said.sound[behind])
    pause = slice(SPEECH * 640, (SPEECH + PAUSE) * 640)
    assert not silent.sound[pause].any()
    assert 20 * np.log10(room.sound[pause].std()) == pytest.approx(-50, abs=0.1)


def test_motion_is_compared_and_the_onset_found() -> None:
    """A head that moves half as much in the pause reads .5; a mouth that opens three frames behind it, three."""
    pause = np.zeros(FRAMES, np.bool_)
    pause[SPEECH : SPEECH + PAUSE] = True
    motion = np.zeros((FRAMES, len(MOTION)), np.float32)
    steps = np.where(pause, 0.5, 1.0)
    motion[:, MOTION.index("dx")] = np.cumsum(steps)
    assert compare_motion(motion, pause, ("dx",)) == pytest.approx(0.5)
    aperture = np.where(pause, 0.0, 0.5).astype(np.float32)
    assert find_onset(aperture) == SPEECH + PAUSE
    assert find_onset(np.roll(aperture, 3)) - find_onset(aperture) == 3
    assert find_onset(0 * aperture) == FRAMES
    lids = np.array([0, 0.4, 0.9, 1, 0.7, 0.2, 0.6, 0], np.float32)
    assert find_blinks(lids) == [2, 6]


def test_the_worst_film_decides() -> None:
    """Of mouth and lag; blinks, head and gaze are means."""
    good = PauseTake(1, 2, 4.0, 8.0, 0.01, 1.0, 1.0, 0)
    late = PauseTake(1, 2, 4.0, 8.0, 0.2, 0.4, 1.0, 3)
    rows = tabulate_levels(Findings(pauses={"silence": [good, late]}))
    told = {row.what.split(": ")[1].split(",")[0]: (row.value, row.met) for row in rows}
    assert told["blinks a minute"] == (15.0, True)
    assert told["mouth open"] == (0.2, False)
    assert told["frames until speech is seen"] == (3, False)
    assert told["head against speech"] == (pytest.approx(0.7), True)
