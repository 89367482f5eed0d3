"""Colour, sharpness and likeness that change by a known amount."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from drawn_film import Drawn, draw_film, watch

from pipeline.bench import degradations
from pipeline.quality.drift import Drift, measure_drift
from pipeline.quality.frame_tracks import FrameTracks
from pipeline.quality.thresholds import judge_film


def drift_after(drawn: Drawn, harm: degradations.Degradation, *, picture: bool = True) -> Drift:
    """What becomes of the film."""
    frames = np.stack(list(harm.picture(iter(drawn.frames))))
    return measure_drift(watch(replace(drawn, frames=frames), picture=picture))


@pytest.mark.parametrize("picture", [True, False])
def test_a_ramp_of_red_is_as_large_as_it_is(picture: bool, drawn: Drawn):
    """Twelve of 255 at the end, half of that in the middle, against the picture and without one; the film's own mouth and sway are up to 1.5 of it."""
    found = drift_after(drawn, degradations.tint_gradually(12, len(drawn.frames)), picture=picture)
    assert found.clips[-1].colour == pytest.approx(11.7, abs=1.5)
    assert found.clips[len(found.clips) // 2].colour == pytest.approx(6, abs=2)
    assert max(found.clips, key=lambda clip: clip.colour).clip == len(found.clips) - 1


def test_growing_blur_lowers_the_sharpness_clip_by_clip(drawn: Drawn):
    """It falls to less than half, and never rises."""
    found = drift_after(drawn, degradations.blur_gradually(2.5, len(drawn.frames)))
    ratios = [clip.sharpness for clip in found.clips]
    assert ratios[0] == 1
    assert ratios[-1] < 0.5
    assert all(b < a + 0.03 for a, b in pairwise(ratios))


def test_another_face_is_another_likeness(drawn: Drawn, tracks: FrameTracks):
    """Half of the film turned around: those clips are unlike the picture, the others are not."""
    half = len(drawn.frames) // 2
    other = drawn.frames.copy()
    other[half:] = np.roll(other[half:], 30, axis=1)
    found = measure_drift(watch(replace(drawn, frames=other)))
    before, after = found.clips[2], found.clips[-2]
    assert before.likeness > 0.95
    assert after.likeness < 0.8
    assert min(clip.likeness for clip in measure_drift(tracks).clips) > 0.95


def test_without_sound_the_looks_are_measured_all_the_same():
    """What needs no sound is there; what needs it is said not to be measured."""
    film = draw_film(seed=3, seconds=4)
    found = judge_film(replace(watch(film), sound=None), "mute")
    assert found.sync is None
    assert found.sound is None
    assert len(found.drift.clips) == 5
    assert {level.met for level in found.levels if level.what.startswith("lips")} == {None}
