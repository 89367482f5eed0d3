"""Rate and remaining time, from events alone."""

import pytest

from pipeline.monitor.eta import EtaEstimator


def play(
    pace: EtaEstimator, clips: range, *, start: float, each: float, decode: float = 0.3
) -> float:
    """Clips that come out every `each` seconds from `start` on."""
    now = start
    for clip in clips:
        pace.add_event("clip_denoised", {"clip": clip, "seconds": each}, now + each)
        pace.add_event(
            "stage_seconds",
            {"stage": "segment", "clip": clip, "seconds": decode},
            now + each + decode,
        )
        pace.add_event(
            "clip_published", {"clip": clip, "frames": 48, "seconds": each}, now + each + decode
        )
        now += each
    return now


def begun(clips: int, done: int = 0, *, now: float = 0.0, offline: bool = False) -> EtaEstimator:
    pace = EtaEstimator()
    pace.add_event("run_started", {"clips": clips, "done": done, "offline": offline}, now)
    return pace


def test_nothing_is_known_before_the_first_clip():
    """No number is made up."""
    pace = begun(100)
    assert pace.seconds_a_clip is None
    assert pace.eta is None


def test_time_left_after_the_first_clip_is_within_a_third():
    """A slow start (30 s of loading) does not count: one clip is enough for 30 %."""
    pace = begun(100)
    play(pace, range(1), start=30.0, each=1.0)
    assert pace.eta == pytest.approx(99.0, rel=0.3)


def test_time_left_after_five_clips_is_within_a_tenth():
    """Five clips are enough for 10 %, whatever the start took."""
    pace = begun(1000)
    play(pace, range(5), start=30.0, each=1.0)
    assert pace.eta == pytest.approx(995.0, rel=0.1)


def test_clips_that_piled_up_do_not_set_the_pace():
    """The decoder of a large model is compiled while the first clip waits for it: three come out one after the other, and are not how fast clips are made."""
    pace = begun(100)
    for clip in range(4):
        pace.add_event("clip_denoised", {"clip": clip, "seconds": 2.0}, 2.0 * clip)
    for clip in range(3):
        pace.add_event("clip_published", {"clip": clip, "frames": 48}, 7.0 + 0.3 * clip)
    assert pace.seconds_a_clip == pytest.approx(2.0)
    assert pace.eta == pytest.approx(97 * 2.0)


def test_replayed_and_redone_clips_stay_out_of_the_rate():
    """A resume that replays and encodes again for a minute says the same rate as before."""
    pace = begun(1000)
    now = play(pace, range(10), start=5.0, each=1.0)
    pace.add_event("run_started", {"clips": 1000, "done": 10, "offline": False}, now + 100)
    pace.add_event("replay_planned", {"first": 8, "stop": 10}, now + 110)
    pace.add_event("clip_replayed", {"clip": 8, "seconds": 1.0}, now + 130)
    pace.add_event("clip_published", {"clip": 3, "frames": 48, "redone": True}, now + 150)
    now = play(pace, range(10, 13), start=now + 150, each=1.0)
    assert pace.seconds_a_clip == pytest.approx(1.0)


def test_a_retry_stays_out_of_the_rate():
    """The wait between two tries does not make the rest of the film look longer."""
    pace = begun(1000)
    now = play(pace, range(5), start=0.0, each=1.0)
    pace.add_event("clip_retry", {"clip": 5, "attempt": 2}, now + 60)
    play(pace, range(5, 8), start=now + 60, each=1.0)
    assert pace.seconds_a_clip == pytest.approx(1.0)
    assert pace.retries == 1


def test_a_slower_machine_is_noticed():
    """The rate is of the last clips, not of the whole film."""
    pace = begun(10_000)
    now = play(pace, range(500), start=0.0, each=1.0)
    play(pace, range(500, 600), start=now, each=2.0)
    assert pace.seconds_a_clip == pytest.approx(2.0)


def test_offline_counts_both_passes():
    """While all is denoised first, the time left holds the decoding that is still to come."""
    pace = begun(100, offline=True)
    for clip in range(50):
        pace.add_event("clip_denoised", {"clip": clip, "seconds": 1.0}, 10.0 + clip)
    assert pace.eta == pytest.approx(50 * 1.0 + 100 * 1.0)
    for clip in range(50, 100):
        pace.add_event("clip_denoised", {"clip": clip, "seconds": 1.0}, 10.0 + clip)
    for clip in range(20):
        pace.add_event("clip_published", {"clip": clip, "frames": 48}, 110.0 + clip / 2)
    assert pace.eta == pytest.approx(80 * 0.5)


def test_first_playable_clip_counts_from_the_first_start():
    """Time to the first playable clip is that of the run, loading included, not of its last resume."""
    pace = EtaEstimator()
    pace.add_event("run_asked", {"seconds": 2.0}, 99.0)
    pace.add_event("run_started", {"clips": 10, "done": 0, "offline": False}, 100.0)
    play(pace, range(2), start=107.0, each=1.0, decode=0.5)
    pace.add_event("run_started", {"clips": 10, "done": 2, "offline": False}, 5000.0)
    assert pace.first_playable_after == pytest.approx(11.5)


def test_its_size_does_not_grow_with_the_film():
    """After a hundred thousand clips it holds what it held after a hundred."""
    import pickle

    short, long = begun(100), begun(100_000)
    play(short, range(100), start=0.0, each=1.0)
    play(long, range(100_000), start=0.0, each=1.0)
    assert len(pickle.dumps(long)) <= len(pickle.dumps(short)) + 64
