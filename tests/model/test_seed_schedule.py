"""Seeds of a script: which holds where, and what a retake and further speakers make of them."""

import numpy as np

from model.prompt_schedule import PromptChange
from model.sampling.noise import SeededNoise
from model.seed_schedule import SeedSchedule, encode_seeds, shift_seeds

CHANGES = (
    PromptChange(2, 0, 100, 100, "a", 7),
    PromptChange(5, 0, 100, 100, "b"),
    PromptChange(9, 0, 100, 100, "c", 8),
)
SEEDS = [420, 420, 7, 7, 7, 420, 420, 420, 420, 8, 8, 8]
SHAPE = (2, 3, 1, 1)


def test_a_seed_holds_from_its_block_to_the_next_change() -> None:
    """Blocks of the whole film, whatever the length of its clips; a change without a seed brings back the film's own."""
    inputs = encode_seeds(420, CHANGES)
    for blocks in (1, 2, 4):
        found = SeedSchedule.from_inputs(inputs, blocks)
        assert found is not None
        assert [found.seed_at(420, *divmod(block, blocks)) for block in range(12)] == SEEDS


def test_a_script_without_seeds_leaves_no_trace() -> None:
    """No array, no schedule: encoded inputs are what they were."""
    assert encode_seeds(420, CHANGES[1:2]) == {}
    assert SeedSchedule.from_inputs({}, 4) is None
    assert shift_seeds({}, 1) == {}


def test_a_clip_made_again_with_another_seed_has_that() -> None:
    """Else a retake of a stretch with a seed of its own would change nothing."""
    found = SeedSchedule.from_inputs(encode_seeds(420, CHANGES), 4)
    assert found is not None
    assert [found.seed_at(777, 0, block) for block in range(4)] == [777] * 4


def test_noise_is_that_of_the_seed_alone() -> None:
    """Of each of several speakers, too: the k-th has all seeds k higher."""
    inputs = encode_seeds(420, CHANGES)
    for speaker in (0, 1, 3):
        told = {**inputs, **shift_seeds(inputs, speaker)}
        both = SeededNoise(420 + speaker, (4, 30), SeedSchedule.from_inputs(told, 4))
        for block, seed in enumerate(SEEDS):
            alone, place = SeededNoise(seed + speaker, (4, 30)), divmod(block, 4)
            assert np.array_equal(both.noise(*place, SHAPE), alone.noise(*place, SHAPE))
            assert both.sink(*place, 1) == alone.sink(*place, 1)
