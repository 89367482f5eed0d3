"""Seams, stills, jumps and clips shown twice: each put in, and found in its place and size."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_film import CLIP, FPS, Drawn, watch

from pipeline.bench import degradations
from pipeline.quality.frame_metrics import measure_flow
from pipeline.quality.thresholds import FilmQuality, judge_film


def harmed(drawn: Drawn, harm: degradations.Degradation) -> FilmQuality:
    """The verdict on the film with something done to its picture."""
    frames = np.stack(list(harm.picture(iter(drawn.frames))))
    return judge_film(watch(replace(drawn, frames=frames)), "harmed")


def missed(found: FilmQuality) -> set[str]:
    """The names of its missed levels."""
    return {level.what for level in found.missed}


@pytest.mark.parametrize("seconds", [1.0, 0.6])
def test_a_frozen_stretch_is_found(seconds: float, drawn: Drawn):
    """One frame held from 3.00 s on: its place and its length, to a frame."""
    found = harmed(drawn, degradations.freeze_frame(round(3 * FPS), round(seconds * FPS)))
    assert abs(found.frozen[0].second - 3) <= 1 / FPS
    assert abs(found.frozen[0].seconds - seconds) <= 1 / FPS
    assert missed(found) <= {"longest frozen stretch, s", "largest jump against usual change"}
    assert "longest frozen stretch, s" in missed(found)


def test_a_short_stop_is_told_and_no_alarm(drawn: Drawn):
    """0.4 s is within the level."""
    found = harmed(drawn, degradations.freeze_frame(round(3 * FPS), 10))
    assert abs(found.frozen[0].seconds - 0.4) <= 1 / FPS
    assert "longest frozen stretch, s" not in missed(found)


@pytest.mark.parametrize(("of", "clip"), [(4, 5), (1, 9)])
def test_a_clip_shown_again_is_found(of: int, clip: int, drawn: Drawn):
    """Which clip, and which one it is."""
    found = harmed(drawn, degradations.repeat_clip(clip, of, CLIP))
    assert [(again.clip, again.of) for again in found.repeats] == [(clip, of)]


@pytest.mark.parametrize("place", [4 * CLIP, 4 * CLIP + 9])
def test_a_cut_is_the_largest_jump(place: int, drawn: Drawn):
    """At a seam and inside a clip, to the frame, and far beyond the level."""
    found = harmed(drawn, degradations.mirror_from(place))
    assert found.jumps[0].second == place / FPS
    assert found.jumps[0].size > 5
    if place % CLIP == 0:
        assert found.seams is not None
        assert found.seams.worst[0].second == place / FPS


def test_a_jump_aside_is_found(drawn: Drawn):
    """The picture moves by four of its ninety-six pixels within one frame."""
    found = harmed(drawn, degradations.shift_picture(75, 4))
    assert found.jumps[0].second == 3.0
    assert "largest jump against usual change" in missed(found)


def test_steps_of_brightness_where_clips_meet_are_seams(drawn: Drawn, clean: FilmQuality):
    """Every other clip is brighter by six: the seams' change is what it was, and six more over the change inside."""
    found = harmed(drawn, degradations.brighten_every_other(6, CLIP))
    assert found.seams is not None
    assert clean.seams is not None
    assert clean.seams.change < 1.5
    assert found.seams.change > 3
    assert "seams: change against inside" in missed(found)


@pytest.mark.parametrize("pixels", [0.25, 0.5, 1.0])
def test_flow_is_as_long_as_the_way(pixels: float):
    """A pattern that moves by so many pixels: the flow is that part of the width, within a fifth."""
    y, x = np.mgrid[:96, :96]

    def pattern(aside: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        wave = np.sin((x - aside) / 4) + np.cos(y / 5 + (x - aside) / 9)
        return (0.5 + 0.2 * wave).astype(np.float32)

    assert measure_flow(pattern(pixels), pattern(0)) * 96 == pytest.approx(pixels, rel=0.2)
