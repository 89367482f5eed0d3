"""Lips against sound: offsets that are known, found."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_film import FPS, MOUTH, RATE, SIDE, Drawn, draw_film, listen, shifted, watch

from pipeline.quality.frame_tracks import FrameTracks
from pipeline.quality.lag_correlation import correlate_at_lag, remove_trend
from pipeline.quality.thresholds import FilmQuality, judge_film


def test_the_mouth_is_found_where_it_is(tracks: FrameTracks):
    """Nobody says where the face is: the box lies on the mouth and on nothing else."""
    assert tracks.mouth is not None
    left, top, right, bottom = tracks.mouth.box(SIDE, SIDE)
    assert MOUTH[0] - 2 <= left < right <= MOUTH[2] + 2
    assert MOUTH[1] - 2 <= top < bottom <= MOUTH[3] + 2
    assert (right - left) * (bottom - top) > 60


@pytest.mark.parametrize("frames", range(-5, 6))
def test_a_shifted_sound_is_found_to_the_frame(frames: int, drawn: Drawn, tracks: FrameTracks):
    """A sound that comes n frames later is a mouth that is n frames early, in the film and in each clip that is sure of it."""
    late = replace(tracks, sound=listen(shifted(drawn, frames)))
    sync = judge_film(late, "late").sync
    assert sync is not None
    assert sync.offset == -frames
    assert {each.offset for each in sync.clips} - {None} == {-frames}
    assert sum(each.offset is not None for each in sync.clips) > len(sync.clips) / 2


def test_the_mouth_is_found_with_a_sound_that_is_not_in_time(drawn: Drawn):
    """The place is looked for at every offset: a film whose sound is three frames late is measured all the same."""
    sync = judge_film(watch(shifted(drawn, 3)), "late").sync
    assert sync is not None
    assert sync.offset == -3


def test_sync_that_is_lost_on_the_way_is_told_by_its_clips(drawn: Drawn, tracks: FrameTracks):
    """In the second half the sound is four frames late: the clips before and after it say so."""
    half = drawn.samples.shape[1] // 2
    moved = np.roll(drawn.samples[:, half:], 4 * RATE // FPS, axis=1)
    lost = replace(drawn, samples=np.concatenate([drawn.samples[:, :half], moved], axis=1))
    sync = judge_film(replace(tracks, sound=listen(lost)), "lost").sync
    assert sync is not None
    assert [each.offset for each in sync.clips[:8]] == [0] * 8
    assert [each.offset for each in sync.clips[-3:]] == [-4] * 3


def test_other_words_are_no_sync(tracks: FrameTracks):
    """The sound of another film: the confidence is low, and its level is missed."""
    other = judge_film(replace(tracks, sound=listen(draw_film(seed=7))), "other")
    assert other.sync is not None
    assert other.sync.confidence < 0.2
    assert "lips: confidence" in {level.what for level in other.missed}


def test_a_slow_change_is_no_sync():
    """What sways or fades over a second is taken out of a track; a syllable is left in."""
    times = np.arange(200) / 25
    sway, syllable = np.sin(2 * np.pi * times / 4), np.sin(2 * np.pi * times / 0.25)
    assert np.abs(remove_trend(sway)).max() < 0.11
    assert correlate_at_lag(remove_trend(sway + syllable)[6:-6], syllable[6:-6]) > 0.99


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_clean_film_raises_no_alarm(seed: int, clean: FilmQuality):
    """Every level that can be measured is met by films with nothing wrong in them."""
    found = clean if seed == 0 else judge_film(watch(draw_film(seed)), "clean")
    assert not found.missed
    assert all(level.met for level in found.levels if not level.what.startswith("face"))
