"""Noise levels and the arithmetic between them."""

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from model.sampling.schedule import Schedule, make_schedule
from tests.model.small import draw

GRIDS = ("flow_match_shift_twice", "flow_match_even", "unipc_shift_once")


def walk(schedule: Schedule, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """From noise to the end, with the velocity that always points away from the target."""
    solve = schedule.begin()
    for step, sigma in enumerate(schedule.sigmas[:-1]):
        x = solve(step, (x.float() - target) / sigma, x)
    return x


def test_the_four_steps_are_the_published_ones() -> None:
    """1000, 857.69, 602.15, 8.93."""
    times = make_schedule(4, "flow_match_shift_twice").timesteps
    assert [round(time, 2) for time in times] == [1000, 857.69, 602.15, 8.93]


@pytest.mark.parametrize("shift", [1.0, 3.0, 5.0])
def test_the_grids_of_flow_matching_are_diffusers_own(shift: float) -> None:
    """To the bit, for any number of steps."""
    for steps in (*range(1, 50), 100, 999):
        theirs = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=shift)
        for name, given in (
            ("flow_match_even", {"sigmas": np.linspace(1, 1 / steps, steps)}),
            ("flow_match_shift_twice", {"num_inference_steps": steps}),
        ):
            theirs.set_timesteps(**given)
            ours = make_schedule(steps, name, shift)
            assert ours.timesteps == tuple(theirs.timesteps.tolist())
            assert ours.sigmas == tuple(theirs.sigmas.tolist())


@pytest.mark.parametrize("steps", [*range(1, 9), 40])
@pytest.mark.parametrize("name", GRIDS)
def test_any_number_of_steps_goes_from_noise_to_nothing(name: str, steps: int) -> None:
    """So many forwards, falling noise levels, 0 at the end, and where every velocity agrees the film is met."""
    schedule = make_schedule(steps, name)
    assert len(schedule.timesteps) == steps == len(schedule.sigmas) - 1
    levels = torch.tensor(schedule.sigmas)
    assert (levels.diff() < 0).all()
    assert levels[0] > 0.999
    assert levels[-1] == 0
    noise, target = draw(1, 2, 3, 4, 4), draw(1, 2, 3, 4, 4, seed=1)
    assert (walk(schedule, noise, target) - target).abs().max() < 1e-5


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_begun_solver_knows_nothing_of_another(name: str, precision: torch.dtype) -> None:
    """What is denoised again comes out the same, in the precision that it came in."""
    schedule = make_schedule(5, name)
    noise, target = draw(1, 2, 3, 4, 4).to(precision), draw(1, 2, 3, 4, 4, seed=1)
    first = walk(schedule, noise, target)
    walk(schedule, -noise, 2 * target)
    assert first.dtype == precision
    assert torch.equal(walk(schedule, noise, target), first)


def test_unipc_looks_back() -> None:
    """Where the velocity bends, it goes elsewhere than Euler on the same levels, and ends less than half as far from where many steps end."""

    def bend(schedule: Schedule) -> torch.Tensor:
        x, solve = torch.full((1, 1, 1, 1, 1), 1.0), schedule.begin()
        for step, sigma in enumerate(schedule.sigmas[:-1]):
            x = solve(step, torch.sin(x) + sigma * x, x)
        return x

    few = make_schedule(8, "unipc_shift_once")
    straight = bend(Schedule(few.timesteps, few.sigmas))
    truth = bend(make_schedule(400, "unipc_shift_once"))
    assert (bend(few) - truth).abs() < 0.5 * (straight - truth).abs()
