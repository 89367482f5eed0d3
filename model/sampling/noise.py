"""Every random number of a film, as a function of where it is used and never of what was drawn before."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.avatar import Seed, seed_for_clip
from model.seed_schedule import SeedSchedule

NOISE, SINK = 0, 1
"""Purposes: a draw for one never shifts a draw for another."""


class NoiseSource(Protocol):
    """What the clip loop draws; tests inject the reference's own draws here."""

    def noise(self, clip: int, block: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Standard normal noise of a block's latents."""

    def sink(self, clip: int, block: int, step: int) -> int:
        """How many latent frames ahead of the block the reference stands."""


class SeededNoise:
    """Philox streams keyed by (seed, clip, block, step, purpose): the same on every machine, at any clip first. `schedule`: the script's seeds."""

    def __init__(
        self, seed: Seed, roll: tuple[int, int], schedule: SeedSchedule | None = None
    ) -> None:
        self.seed, self.roll, self.schedule = seed, roll, schedule

    def noise(self, clip: int, block: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Standard normal noise of a block's latents."""
        return self._stream(clip, block, 0, NOISE).standard_normal(shape, np.float32)

    def sink(self, clip: int, block: int, step: int) -> int:
        """Uniform over the roll, both ends included."""
        low, high = self.roll
        return int(self._stream(clip, block, step, SINK).integers(low, high + 1))

    def _stream(self, clip: int, block: int, *place: int) -> np.random.Generator:
        seed = seed_for_clip(self.seed, clip)
        if self.schedule is not None:
            seed = self.schedule.seed_at(seed, clip, block)
        key = [seed, clip, block, *place]
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
