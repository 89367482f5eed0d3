"""What happens while nobody speaks."""

from dataclasses import replace

import numpy as np
from drawn_film import FPS, PAUSES, Drawn, watch

from pipeline.bench import degradations
from pipeline.quality.pauses import find_silence
from pipeline.quality.thresholds import FilmQuality, judge_film


def harmed(drawn: Drawn, harm: degradations.Degradation) -> FilmQuality:
    """The verdict on the film with something done to its picture."""
    frames = np.stack(list(harm.picture(iter(drawn.frames))))
    return judge_film(watch(replace(drawn, frames=frames)), "harmed")


def test_pauses_are_where_they_are(clean: FilmQuality):
    """One of a second and one of five, to three frames; the mouth is shut, the head goes on swaying."""
    assert clean.quiet is not None
    found = [(pause.second, pause.seconds) for pause in clean.quiet.pauses]
    assert len(found) == len(PAUSES)
    for (second, seconds), (start, length) in zip(found, PAUSES, strict=True):
        assert abs(second - start) <= 3 / FPS
        assert abs(seconds - length) <= 6 / FPS
    assert clean.quiet.mouth is not None
    assert clean.quiet.motion is not None
    assert clean.quiet.mouth < 0.01
    assert 0.7 < clean.quiet.motion < 1.3


def test_a_mouth_that_goes_on_is_found(drawn: Drawn):
    """Two seconds of talking frames in the long pause."""
    found = harmed(drawn, degradations.splice_frames(300, 50, 50))
    assert found.quiet is not None
    assert found.quiet.mouth is not None
    assert found.quiet.mouth > 0.05


def test_a_mouth_that_shuts_late_is_found(drawn: Drawn):
    """An open frame is held for eight frames into the pause."""
    start = round(PAUSES[1][0] * FPS)
    shown = int(
        np.argmax([frame[70, 48].sum() < 300 for frame in drawn.frames[start - 12 : start]])
    )
    open_frame = drawn.frames[start - 12 + shown]
    frames = drawn.frames.copy()
    frames[start - 3 : start + 8] = open_frame
    found = judge_film(watch(replace(drawn, frames=frames)), "late")
    assert found.quiet is not None
    assert found.quiet.shuts_after is not None
    assert 8 <= found.quiet.shuts_after <= 12


def test_a_dead_pause_is_found(drawn: Drawn):
    """A still picture in all of it: no motion, and frozen for as long."""
    start, count = (round(each * FPS) for each in PAUSES[1])
    found = harmed(drawn, degradations.freeze_frame(start, count))
    assert found.quiet is not None
    assert found.quiet.pauses[1].motion is not None
    assert found.quiet.pauses[1].motion < 0.1
    assert abs(found.frozen[0].seconds - PAUSES[1][1]) <= 2 / FPS


def test_a_noisy_room_is_silence_too():
    """A pause is what is far below the voice, not what is nothing."""
    loud = np.full(200, 0.2, np.float32)
    loud[80:120] = 0.004
    assert find_silence(loud).nonzero()[0].tolist() == list(range(80, 120))
