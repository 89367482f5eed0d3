"""The sprite mouth that pocket is held against is an honest one."""

import numpy as np
import pytest

from model.pocket.training.judged_films import Judged
from model.pocket.training.judged_presenters import learn_mouth, make_presenters
from model.pocket.training.measures import correlate_at_lag
from model.pocket.training.samples import read_samples
from model.pocket.training.sprite import (
    BEST,
    SPRITES,
    choose_mouths,
    draw_voices,
    fit_sprites,
    judge_sprite,
)

APERTURES = np.array(BEST.mouths, np.float32)[:, 0]


def test_it_follows_held_out_voices_as_far_as_loudness_tells() -> None:
    """Two thirds of the curve on average, and nothing is gained by showing its mouths earlier or later."""
    followed = {
        lag: np.mean(
            [
                correlate_at_lag(APERTURES[choose_mouths(s.sound)], s.curves[:, 0], lag)
                for s in read_samples()
            ]
        )
        for lag in (-2, -1, 0, 1, 2)
    }
    assert followed[0] > 0.63
    assert max(followed, key=followed.__getitem__) == 0


def test_silence_shuts_it_and_every_mouth_is_used() -> None:
    """Nothing heard is the first mouth; over all voices each is shown."""
    assert not choose_mouths(np.zeros(6400, np.float32)).any()
    shown = np.concatenate([choose_mouths(sample.sound) for sample in read_samples()])
    assert set(shown.tolist()) == set(range(SPRITES))
    assert (np.diff(APERTURES) > 0).all()


def test_it_is_read_by_the_same_measures() -> None:
    """What is read of its film opens with the mouths that were chosen."""
    sample = read_samples()[0]
    who = make_presenters(1, 128, first=800_000)[0]
    judged = Judged(who, learn_mouth(who, [sample.curves], 40))
    sound = sample.sound[: 100 * 640]
    area = judge_sprite(judged, sound).area
    assert correlate_at_lag(area, APERTURES[choose_mouths(sound)]) > 0.95


def test_its_constants_are_fitted_to_voices_as_they_are_trained_on() -> None:
    """Six voices fit nearly what forty did: the same envelope within 50 ms, and mouths that open with it."""
    pytest.importorskip("espeakng_loader")
    fitted = fit_sprites(list(draw_voices(6, seed=2)))
    assert abs(fitted.width - BEST.width) <= 5
    assert abs(fitted.ahead - BEST.ahead) <= 1
    assert np.abs(np.array(fitted.mouths) - np.array(BEST.mouths)).max() < 0.1
