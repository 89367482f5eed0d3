"""Which noise levels the latents pass through, and the arithmetic from one to the next. UniPC is diffusers'; Euler's grids are its, too, without the import of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TIMESTEPS = 1000
"""The timestep of pure noise."""

Solver = Callable[[int, Tensor, Tensor], Tensor]
"""(step, velocity, latents before the step) to the latents after it, in the precision of those before."""


@dataclass(frozen=True)
class Schedule:
    """Timesteps (0..1000) of the forwards, and their noise levels with the final 0 behind them."""

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]
    multistep: bool = False
    """UniPC, which looks back on the two steps before, instead of Euler."""

    def begin(self) -> Solver:
        """A solver that stands before the first step: a new one for everything that is denoised, so that nothing goes from one to the next."""
        return make_unipc_solver(self.sigmas) if self.multistep else self._euler

    def _euler(self, step: int, velocity: Tensor, x: Tensor) -> Tensor:
        """Move by (σ' - σ)·v, rounded where the reference's scheduler rounds: the velocity, its product and the sum to the precision of the latents.

        The difference is a tensor without dimensions and not a number: torch then rounds in bfloat16 as it does for the reference, on either device.
        """
        before, after = torch.tensor(self.sigmas[step : step + 2]).unbind()
        moved = x.float() + (after - before) * velocity.to(x.dtype)
        return moved.to(x.dtype)


def make_schedule(steps: int, sigmas: str, shift: float = 3.0) -> Schedule:
    """The schedule of a model, by the name that its configuration has for it.

    "flow_match_shift_twice" is what LiveAvatar runs: diffusers shifts its own grid a second time (1000, 857.69, 602.15, 8.93 for four steps).
    "flow_match_even" shifts an even grid once (1000, 900, 750, 500). Both are stepped by Euler.
    "unipc_shift_once" is what Wan2.2-S2V runs: an even grid that begins at 0.999, timesteps cut to whole numbers, UniPC of order 2.
    """
    if sigmas == "unipc_shift_once":
        return _unipc_grid(steps, shift)
    if sigmas == "flow_match_even":
        return _flow_match_grid(np.linspace(1, 1 / steps, steps, dtype=np.float32), shift)
    last = float(_shift(np.float32(1 / TIMESTEPS), shift))
    return _flow_match_grid(np.linspace(TIMESTEPS, TIMESTEPS * last, steps) / TIMESTEPS, shift)


def _flow_match_grid(levels: NDArray[np.floating], shift: float) -> Schedule:
    """What diffusers' FlowMatchEulerDiscreteScheduler makes of these levels, to the bit; importing it takes longer than a start of pocket without it."""
    sigmas = torch.from_numpy(_shift(levels, shift)).float()
    times = sigmas * TIMESTEPS
    return Schedule(tuple(times.tolist()), (*sigmas.tolist(), 0.0))


def _shift(levels: Any, shift: float) -> Any:
    """Noise levels of a longer film or a larger picture: more of the steps where there is much noise."""
    return shift * levels / (1 + (shift - 1) * levels)


def make_unipc_solver(sigmas: tuple[float, ...]) -> Solver:
    """UniPC (arXiv 2302.04867) with the second kind of B(h), through diffusers: on these noise levels it is the reference's, bit for bit."""
    scheduler = _unipc_scheduler(1.0)
    scheduler.set_timesteps(sigmas=np.array(sigmas[:-1]))
    scheduler.set_begin_index(0)

    def solve(step: int, velocity: Tensor, x: Tensor) -> Tensor:
        moved: Tensor = scheduler.step(velocity, scheduler.timesteps[step], x, return_dict=False)[0]
        return moved

    return solve


def _unipc_grid(steps: int, shift: float) -> Schedule:
    scheduler = _unipc_scheduler(shift)
    scheduler.set_timesteps(sigmas=np.linspace(0.999, 0, steps + 1)[:-1])
    times = tuple(float(time) for time in scheduler.timesteps)
    return Schedule(times, tuple(scheduler.sigmas.tolist()), multistep=True)


def _unipc_scheduler(shift: float) -> Any:
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(
        num_train_timesteps=TIMESTEPS,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=shift,
    )
