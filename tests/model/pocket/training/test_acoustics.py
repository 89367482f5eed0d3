"""Rooms, backgrounds and other throats leave speech where it was."""

import numpy as np

from model.pocket.training.acoustics import change_throat, disturb_sound, measure_loudness

DRAW = np.random.default_rng(5)
VOICE = np.sin(np.arange(32_000) * 0.05).astype(np.float32)
VOICE[8000:20_000] = 0


def test_another_throat_speaks_at_the_same_times() -> None:
    """What was loud is loud, what was silent is silent."""
    for _ in range(5):
        changed = change_throat(VOICE, DRAW)
        assert changed.shape == VOICE.shape
        assert np.abs(changed[9000:19_000]).max() < 0.02
        assert changed[21_000:31_000].std() > 0.1


def test_nothing_to_change_gives_the_voice_back() -> None:
    """With formants where they were and no breath, the overlapping windows add up to what came in."""

    class Still:
        def uniform(self, low: float, high: float) -> float:
            return 1.0 if low > 0 else -0.5

        def random(self) -> float:
            return 1.0

        def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
            return np.zeros(shape)

    assert np.abs(change_throat(VOICE, Still()) - VOICE).max() < 1e-3


def test_disturbed_speech_fits_a_file() -> None:
    """As long as it was, within −1..1, and neither silent nor shouted."""
    for _ in range(10):
        sound = disturb_sound(VOICE, [VOICE] * 3, DRAW)
        assert sound.shape == VOICE.shape
        assert np.abs(sound).max() <= 1
        assert 0.01 < measure_loudness(sound) < 0.5
