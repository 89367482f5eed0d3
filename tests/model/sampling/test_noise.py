"""Randomness is a function of its place, never of history."""

import numpy as np

from model.sampling.noise import SeededNoise

SHAPE = (16, 3, 4, 4)


def test_a_draw_depends_on_its_place_alone() -> None:
    """Clip 7 draws the same numbers whether or not clips came before it."""
    fresh, used = SeededNoise(420, (4, 30)), SeededNoise(420, (4, 30))
    for clip in range(7):
        used.noise(clip, 0, SHAPE)
        used.sink(clip, 0, 0)
    assert np.array_equal(fresh.noise(7, 1, SHAPE), used.noise(7, 1, SHAPE))
    assert fresh.sink(7, 1, 2) == used.sink(7, 1, 2)


def test_every_place_draws_its_own() -> None:
    """Seed, clip and block each change the noise, and the sink roams its whole range."""
    draws = SeededNoise(420, (4, 30))
    noises = [draws.noise(c, b, SHAPE) for c in range(3) for b in range(4)]
    noises.append(SeededNoise(421, (4, 30)).noise(0, 0, SHAPE))
    assert len({n.tobytes() for n in noises}) == len(noises)
    assert {draws.sink(c, b, s) for c in range(40) for b in range(4) for s in range(4)} == set(
        range(4, 31)
    )


def test_a_clip_may_have_its_own_seed() -> None:
    """A function from clip to seed draws for each clip what its seed alone would draw."""
    both = SeededNoise(lambda clip: 420 if clip < 3 else 7, (4, 30))
    for clip, seed in ((2, 420), (3, 7)):
        alone = SeededNoise(seed, (4, 30))
        assert np.array_equal(both.noise(clip, 1, SHAPE), alone.noise(clip, 1, SHAPE))
        assert both.sink(clip, 0, 1) == alone.sink(clip, 0, 1)
