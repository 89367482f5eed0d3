"""pipeline/quality/identity.py: what melts is named with its second; what comes and goes is no melting."""

import numpy as np
import pytest

from model.pocket.face_motion import REGIONS
from pipeline.quality.identity import EVERY, FaceTrack, Identity, measure_identity

FPS, CLIP, SECONDS = 25.0, 48, 40
EYE, HAIR = REGIONS.index("right eye"), REGIONS.index("hair")


def make_track() -> FaceTrack:
    """Forty seconds in which nothing of the face changes."""
    frames, regions = int(SECONDS * FPS) // EVERY, len(REGIONS)
    return FaceTrack(
        np.full((frames, regions), 0.99, np.float32),
        np.zeros((frames, regions, 3), np.float32),
        np.ones((frames, regions), np.float32),
        np.zeros((frames, 2), np.float32),
    )


def after(second: float) -> slice:
    return slice(round(second * FPS / EVERY), None)


def measure(track: FaceTrack) -> Identity:
    found = measure_identity(track, fps=FPS, clip_frames=CLIP)
    assert found is not None
    return found


def test_a_part_that_melts_is_named_with_its_second():
    """One eye goes at 25 seconds: it is lost in the first clip none of whose neighbours has it, and no other part is."""
    track = make_track()
    track.likeness[after(25), EYE] = 0.6
    found = measure(track)
    (eye,) = found.melted
    assert found.worst is not None
    assert eye.region == found.worst.region == "right eye"
    assert eye.lost == pytest.approx(25, abs=2 * CLIP / FPS)
    assert eye.kept == pytest.approx(0.6 / 0.99)
    assert eye.last == pytest.approx(0.6)
    assert len(eye.clips) == -(-SECONDS * FPS // CLIP)


def test_blinks_speech_and_glances_are_no_melting():
    """Two clips of shut eyes, and lips that are at rest once in four seconds, leave every part as it was."""
    track = make_track()
    track.likeness[round(10 * FPS / EVERY) : round(13.8 * FPS / EVERY), :2] = 0.2
    speaking = np.arange(len(track.likeness)) % round(4 * FPS / EVERY) > 0
    track.likeness[speaking, -2:] = 0.1
    found = measure(track)
    assert not found.melted
    assert found.worst is not None
    assert found.worst.kept == pytest.approx(1)


def test_a_brow_may_do_more_than_an_eye():
    """Slanted in anger it keeps 0.7 of its likeness, and has not melted; at 0.6 it has."""
    track = make_track()
    brow = REGIONS.index("left brow")
    track.likeness[after(20), brow] = 0.7
    found = measure(track)
    assert not found.melted
    assert found.worst_brow is not None
    assert found.worst_brow.kept == pytest.approx(0.7 / 0.99)
    track.likeness[after(30), brow] = 0.6
    assert [each.region for each in measure(track).melted] == ["left brow"]


def test_what_was_unlike_from_the_start_tells_nothing():
    """A brow under a fringe is left out; of a face of which nothing can be told there is no verdict."""
    track = make_track()
    track.likeness[:, HAIR] = 0.3
    track.likeness[:, EYE] = np.nan
    assert {"hair", "right eye"}.isdisjoint(each.region for each in measure(track).regions)
    track.likeness[:] = 0.3
    assert measure_identity(track, fps=FPS, clip_frames=CLIP) is None


def test_colour_is_held_against_the_first_second_and_sharpness_told_of_the_last_clip():
    """A picture that the model draws a little redder is not drifting; one that goes on growing red is."""
    track = make_track()
    track.colour[:, HAIR] = (5, 0, 0)
    track.colour[after(30), HAIR] = (5, 0, -9)
    track.sharpness[after(30), EYE] = 0.7
    track.sharpness[:, HAIR] = np.nan
    by_name = {each.region: each for each in measure(track).regions}
    assert by_name["hair"].colour == pytest.approx(9)
    assert by_name["left eye"].colour == 0
    assert by_name["right eye"].sharpness == pytest.approx(0.7)
    assert by_name["hair"].sharpness is None


def test_eyes_that_do_not_go_together_are_told():
    """Both blink as one; then one of them alone, for a fifth of the film."""
    track = make_track()
    track.likeness[::10, :2] = 0.2
    assert measure(track).eyes_apart == 0
    track.likeness[2::5, 0] = 0.33
    assert measure(track).eyes_apart == pytest.approx(0.2 * (1 - 0.33 / 0.99), abs=0.01)
    track.likeness[:, EYE] = 0.3
    assert measure(track).eyes_apart is None


def test_corners_that_stay_are_told_by_the_moments_in_which_the_mouth_is_narrow():
    """A tenth of the frames, and the corner that stays less."""
    track = make_track()
    track.stay[:] = 1
    assert measure(track).stay == pytest.approx(1)
    track.stay[::5, 0] = 0.1
    assert measure(track).stay == pytest.approx(0.1)


def test_a_film_of_one_clip_is_measured():
    """Its only clip is its first and its last one."""
    whole = make_track()
    track = FaceTrack(*(each[:5] for each in (whole.likeness, whole.colour, whole.sharpness, whole.stay)))  # fmt: skip
    assert all(len(each.clips) == 1 for each in measure(track).regions)
