"""Films that are judged are the films that `longtake` makes."""

import os

import numpy as np
import pytest

from model.avatar import DeviceConfig, Options
from model.pocket.avatar import PocketAvatar
from model.pocket.training.judged_films import choose_clips, make_film, make_some_clips, spread_work
from model.pocket.training.judged_presenters import make_presenters


def test_some_clips_of_a_film_are_those_of_the_whole() -> None:
    """To the byte, though what lies between was never decoded."""
    avatar = PocketAvatar(Options(64, 64, 12, 2), DeviceConfig())
    who = make_presenters(1, 64)[0]
    span = avatar.traits.clip_frames * avatar.traits.samples_per_frame
    sound = np.random.default_rng(0).normal(0, 0.1, 5 * span).astype(np.float32)
    whole = [frames for _, frames in make_film(avatar, who, sound, 99)]
    some = list(make_some_clips(avatar, who, sound, [0, 3, 4]))
    assert len(some) == 3
    for frames, clip in zip(some, (0, 3, 4), strict=True):
        assert np.array_equal(frames, whole[clip])
    assert not np.array_equal(whole[3], whole[4])


def test_of_a_long_film_the_ends_are_looked_at_and_some_between() -> None:
    """Every clip of a short one, the first and the last ten of a long one and one in twenty."""
    assert choose_clips(12) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    chosen = choose_clips(1000)
    assert chosen[:11] == [*range(10), 20]
    assert chosen[-11:] == [980, *range(990, 1000)]


def test_work_is_spread_over_processes_and_results_keep_their_order() -> None:
    """Each item is worked on in another process than this; what fails there fails here."""
    found = spread_work(lambda number: (number * number, os.getpid()), range(5))
    assert [square for square, _ in found] == [0, 1, 4, 9, 16]
    assert os.getpid() not in {process for _, process in found}
    with pytest.raises(ZeroDivisionError):
        spread_work(lambda number: 1 / number, [1, 0])
