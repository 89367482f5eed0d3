"""Backgrounds are as long as asked, of one power, and music has notes."""

import numpy as np
import pytest

from model.pocket.training import backgrounds
from model.pocket.training.backgrounds import make_babble, make_music, make_speechless

MAKERS = ("make_music", "coloured_noise", "make_gusts", "make_hum", "make_knocks")
VOICES = [np.random.default_rng(n).standard_normal(9000 + n).astype(np.float32) for n in range(12)]


@pytest.mark.parametrize("name", MAKERS)
def test_every_background_is_whole_and_of_unit_power(name: str) -> None:
    """Any length, and the same sound for the same chance."""
    for length in (12_000, 50_001):
        make = getattr(backgrounds, name)
        first, second = (make(length, np.random.default_rng(length)) for _ in range(2))
        assert first.shape == (length,)
        assert first.dtype == np.float32
        assert abs(first.std() - 1) < 0.05
        assert np.array_equal(first, second)


def test_music_has_notes() -> None:
    """Most of its power lies in a few narrow lines of the spectrum; that of noise does not."""

    def narrow(sound: np.ndarray) -> float:
        power = np.sort(np.abs(np.fft.rfft(sound)) ** 2)
        return float(power[-len(power) // 50 :].sum() / power.sum())

    chance = np.random.default_rng(4)
    assert np.median([narrow(make_music(48_000, chance)) for _ in range(3)]) > 0.6
    assert narrow(backgrounds.coloured_noise(48_000, chance)) < 0.6


def test_babble_is_of_the_voices_it_is_given() -> None:
    """Shorter voices go round, and the sum is of unit power."""
    babble = make_babble(20_000, VOICES, 4, np.random.default_rng(1))
    assert babble.shape == (20_000,)
    assert abs(babble.std() - 1) < 0.01


def test_speechless_sounds_are_of_every_kind() -> None:
    """Some of them are silence, none is louder than speech."""
    chance = np.random.default_rng(2)
    sounds = [make_speechless(8000, VOICES, chance) for _ in range(14)]
    assert any(not sound.any() for sound in sounds)
    assert max(float(sound.std()) for sound in sounds) < 0.25
    assert all(sound.dtype == np.float32 and sound.shape == (8000,) for sound in sounds)
