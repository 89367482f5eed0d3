"""Which noise levels the latents pass through."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Schedule:
    """Timesteps (0..1000) of the forwards, and their noise levels with the final 0 behind them."""

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]

    def euler_factor(self, step: int) -> float:
        """What the velocity is multiplied by at a step: x ← x + (σ' - σ)·v."""
        return self.sigmas[step + 1] - self.sigmas[step]


def flow_match(steps: int, sigmas: str) -> Schedule:
    """Flow matching with shift 3, through diffusers' Euler scheduler.

    "flow_match_shift_twice" is what LiveAvatar runs: diffusers shifts its own grid a second time (1000, 857.69, 602.15, 8.93 for four steps).
    "flow_match_even" shifts an even grid once (1000, 900, 750, 500).
    """
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0)
    if sigmas == "flow_match_even":
        scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps))
    else:
        scheduler.set_timesteps(steps)
    return Schedule(tuple(scheduler.timesteps.tolist()), tuple(scheduler.sigmas.tolist()))
