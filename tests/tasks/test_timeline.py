"""Seconds into frames into clips."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.timeline import (
    clip_span,
    count_clips,
    count_frames,
    first_clip_after,
    first_clip_at,
    format_duration,
    read_time,
    sound_span,
)

LENGTHS = st.fractions(0, 4000, max_denominator=192_000)


@pytest.mark.parametrize(
    ("seconds", "frames"),
    [
        (Fraction(1, 20), 1),
        (Fraction(0), 1),
        (Fraction(1, 50), 1),
        (Fraction(3, 50), 2),
        (1, 25),
        (Fraction(101, 50), 51),
    ],
)
def test_frames_round_half_up_and_are_never_none(seconds: Fraction, frames: int) -> None:
    """At 25 fps, half a frame counts as one, and there is always one."""
    assert count_frames(Fraction(seconds), 25) == frames


@given(LENGTHS, st.sampled_from([16, 25]))
def test_film_is_within_half_a_frame_of_the_sound(seconds: Fraction, fps: int) -> None:
    """No film is off by more than half a frame, but for the shortest."""
    frames = count_frames(seconds, fps)
    assert frames == 1 or abs(Fraction(frames, fps) - seconds) <= Fraction(1, 2 * fps)


@given(st.integers(1, 100_000), st.sampled_from([12, 48, 80]))
def test_clips_cover_every_frame_once(frames: int, clip_frames: int) -> None:
    """The spans of all clips, one after another, are the film."""
    spans = [
        clip_span(clip, clip_frames, frames) for clip in range(count_clips(frames, clip_frames))
    ]
    assert [spans[0].start, spans[-1].stop] == [0, frames]
    assert all(one.stop == next_one.start for one, next_one in pairwise(spans))
    assert all(0 < len(span) <= clip_frames for span in spans)


def test_sound_of_a_clip_is_its_own_and_lead_shifts_it() -> None:
    """Clip 2 of 48 frames hears samples 61440 …; with a lead of 3 frames, 1920 samples later."""
    assert sound_span(2, 48, 640) == range(61_440, 92_160)
    assert sound_span(2, 48, 640, lead=3) == range(63_360, 94_080)


def test_a_duration_reads_as_a_clock() -> None:
    """1920 s are 0:32:00."""
    assert format_duration(Fraction(1920)) == "0:32:00"
    assert format_duration(Fraction(7199) + Fraction(1, 2)) == "2:00:00"
    assert format_duration(Fraction(12, 25)) == "0:00:00.48"
    assert format_duration(Fraction(9)) == "0:00:09"
    assert format_duration(Fraction(9996, 1000)) == "0:00:10"


@pytest.mark.parametrize(
    ("word", "seconds"),
    [("0:03:12", 192), ("00:03:12.5", Fraction(385, 2)), ("3:12.4", Fraction(962, 5)), ("192.4s", Fraction(962, 5)), ("7s", 7), ("70:00", 4200)],
)  # fmt: skip
def test_a_time_is_read(word: str, seconds: Fraction | int) -> None:
    """As a clock has it, hours left out or not, or in seconds."""
    assert read_time(word) == seconds


@pytest.mark.parametrize(
    "word", ["", "12", "-3s", "1:2:3:4", "0:60", "1:60:00", "s", "3:", "1e3s", "٣s", "0:03:12 "]
)
def test_what_is_no_time_is_said(word: str) -> None:
    """A number alone could be a clip's; minutes and seconds end at 59."""
    with pytest.raises(ValueError, match="time"):
        read_time(word)


@given(st.integers(0, 100_000), st.sampled_from([16, 25, 30]), st.sampled_from([12, 48, 80]))
def test_times_and_clips_belong_together(frame: int, fps: int, clip_frames: int) -> None:
    """A clip shows the frame of a time in it; up to a time are the clips that show anything before it."""
    time = Fraction(frame, fps)
    clip = first_clip_at(time, fps, clip_frames)
    assert frame in range(clip * clip_frames, (clip + 1) * clip_frames)
    assert first_clip_at(time + Fraction(1, 2 * fps), fps, clip_frames) == clip
    after = first_clip_after(time, fps, clip_frames)
    assert (after - 1) * clip_frames < frame <= after * clip_frames
    assert first_clip_after(time + Fraction(1, 2 * fps), fps, clip_frames) == clip + 1
