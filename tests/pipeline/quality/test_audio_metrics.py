"""The sound: gaps, full scale and loudness, however it is cut into blocks."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_film import FPS, RATE, Drawn, listen

from pipeline.quality.audio_metrics import SoundMeter, find_gaps
from pipeline.quality.frame_tracks import FrameTracks
from pipeline.quality.thresholds import FilmQuality, judge_film


@pytest.mark.parametrize("block", [160, 1000, 4096, 1 << 20])
def test_blocks_do_not_matter(block: int, drawn: Drawn):
    """The same numbers, whatever the blocks in which samples come."""
    one, other = listen(drawn), listen(drawn, block)
    for name in ("loudness", "peak", "clipped", "levels"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-5, atol=1e-6)
    assert one.seconds == other.seconds == 20.0


@pytest.mark.parametrize("seconds", [0.15, 0.3])
def test_a_gap_is_found_without_knowing_what_was_meant(seconds: float, drawn: Drawn):
    """A hole in the middle of a word: its place and length, to 10 ms; the pauses are none."""
    found = find_gaps(listen(hushed(drawn, 3.0, seconds)))
    assert [round(gap.seconds, 2) for gap in found] == pytest.approx([seconds], abs=0.03)
    assert found[0].second == pytest.approx(3.0, abs=0.03)
    assert not find_gaps(listen(drawn))


def test_a_short_gap_is_found_against_what_was_meant(drawn: Drawn):
    """30 ms are less than a consonant: only the sound that the film was made of tells."""
    meant = listen(drawn)
    assert not find_gaps(listen(hushed(drawn, 3.0, 0.03)))
    found = find_gaps(listen(hushed(drawn, 3.0, 0.03)), meant)
    assert [(round(gap.second, 1), round(gap.seconds, 2)) for gap in found] == [(3.0, 0.03)]
    assert not find_gaps(meant, meant)


def test_missing_samples_are_a_gap():
    """A file whose packets leave out half a second."""
    ear = SoundMeter(RATE, FPS)
    tone = np.sin(np.arange(RATE) / 5).astype(np.float32)[None] / 2
    ear.add_samples(tone, 0)
    ear.add_samples(tone, RATE + RATE // 2)
    found = find_gaps(ear.finish(63))
    assert (found[0].second, found[0].seconds) == (1.0, 0.5)


def test_clipping_is_found_where_it_is(drawn: Drawn, tracks: FrameTracks):
    """Eight times too loud for a second, cut off at full scale; single peaks are none."""
    samples = drawn.samples.copy()
    span = slice(2 * RATE, 3 * RATE)
    samples[:, span] = np.clip(8 * samples[:, span], -1, 1)
    samples[:, 9 * RATE] = 1.0
    sound = listen(replace(drawn, samples=samples))
    frames = np.flatnonzero(sound.clipped)
    assert 2 * FPS <= frames.min() <= 2.3 * FPS
    assert 2.7 * FPS <= frames.max() < 3 * FPS
    found = judge_film(replace(tracks, sound=sound), "loud")
    assert found.sound is not None
    assert found.sound.peak == pytest.approx(0, abs=0.01)
    assert "sound: clipped stretches" in {level.what for level in found.missed}


def test_a_sound_that_ends_early_is_told(drawn: Drawn, tracks: FrameTracks):
    """A second before the picture."""
    short = replace(drawn, samples=drawn.samples[:, :-RATE])
    found: FilmQuality = judge_film(replace(tracks, sound=listen(short)), "short")
    assert found.sound is not None
    assert found.sound.seconds - found.seconds == pytest.approx(-1)
    assert "sound: ends later than the picture, s" in {level.what for level in found.missed}


def hushed(drawn: Drawn, second: float, seconds: float) -> Drawn:
    """The film with a hole in its sound, in a syllable that is loud on both sides."""
    samples = drawn.samples.copy()
    edge = slice(round((second - 0.1) * RATE), round((second + seconds + 0.1) * RATE))
    samples[:, edge] = 0.3 * np.sin(np.arange(edge.stop - edge.start) / 4)
    samples[:, round(second * RATE) : round((second + seconds) * RATE)] = 0
    return replace(drawn, samples=samples)
