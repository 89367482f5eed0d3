"""Each speaker's mouth against its own sound: right, late, another's, and silent."""

import numpy as np
import pytest

from pipeline.quality.mouth import Mouth
from pipeline.quality.speaker_lips import SpeakerMeter, SpeakerSync, measure_speakers
from pipeline.quality.thresholds import judge_speakers

FRAMES, FPS = 250, 25.0
MOUTHS = (Mouth(0.1, 0.4, 0.3, 0.6, 0.0), Mouth(0.6, 0.4, 0.8, 0.6, 0.0))


def speech(seed: int) -> np.ndarray:
    """How loud somebody is in each frame: syllables at no rate of their own."""
    noise = np.random.default_rng(seed).standard_normal(FRAMES + 4)
    smooth = np.convolve(noise, np.ones(5) / 5, "valid")
    return np.maximum(smooth, 0).astype(np.float32) ** 2


def draw_frame(openings: tuple[float, ...]) -> np.ndarray:
    """A grey picture with a dark slit in each mouth's place, as high as it is open."""
    frame = np.full((100, 200), 200, np.uint8)
    for mouth, opening in zip(MOUTHS, openings, strict=True):
        left, top, right, bottom = mouth.box(200, 100)
        frame[top : top + round((bottom - top) * opening), left:right] = 20
    return frame


def measure(loud: tuple[np.ndarray, ...], late: int = 0) -> tuple[SpeakerSync, ...]:
    """What is found where mouths of speech 1 and 2 open, `late` frames behind, and these sounds are theirs."""
    meter = SpeakerMeter(MOUTHS, draw_frame((0.0, 0.0)))
    shown = [np.roll(np.sqrt(speech(n)), late) for n in (1, 2)]
    for openings in zip(*shown, strict=True):
        meter.add_frame(draw_frame(tuple(map(float, openings))))
    return measure_speakers(meter.finish(loud), FPS)


def test_each_mouth_is_held_against_its_own_sound() -> None:
    """Both follow; exchanged, neither does, and the levels say so."""
    right = measure((speech(1), speech(2)))
    assert [each.offset for each in right] == [0, 0]
    assert all(each.met for each in judge_speakers(right))
    wrong = measure((speech(2), speech(1)))
    assert all(each.confidence is not None and each.confidence < 0.2 for each in wrong)
    missed = [each.what for each in judge_speakers(wrong) if each.met is False]
    assert {f"lips of speaker {n}: confidence" for n in (1, 2)} <= set(missed)


@pytest.mark.parametrize("late", [2, -3])
def test_a_mouth_that_is_late_or_early_is_told_by_its_frames(late: int) -> None:
    assert [each.offset for each in measure((speech(1), speech(2)), late)] == [late, late]


def test_who_speaks_for_less_than_two_seconds_is_not_judged() -> None:
    """Nothing is missed for that; the sound may end before the film."""
    short = speech(2).copy()
    short[40:] = 0
    told = measure((speech(1), short[:60]))[1]
    assert (told.speaker, told.offset, told.confidence) == (2, None, None)
    assert [each.met for each in judge_speakers((told,))] == [None, None]
