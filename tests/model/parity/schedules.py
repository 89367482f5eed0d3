"""Noise levels and solvers against the reference's."""

from typing import Any

import torch

from model.sampling.schedule import Schedule, make_schedule


def check(told: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """Grids of both solvers are the reference's, and so is the latent after each step, in float32 and bfloat16."""
    tolerance = told["recommended_tolerance"]
    for steps, truth in told["schedules"]["euler_live_avatar"].items():
        ours = make_schedule(int(steps), "flow_match_shift_twice")
        assert apart(ours.timesteps, truth["timesteps"]) < tolerance["timesteps_euler"]
        assert apart(ours.sigmas, truth["sigmas"]) < tolerance["sigmas"]
    for name, truth in told["schedules"]["unipc_wan22"].items():
        steps, shift = name.split("_shift")
        ours = make_schedule(int(steps), "unipc_shift_once", float(shift))
        assert ours.timesteps == tuple(truth["timesteps"])
        assert apart(ours.sigmas, truth["sigmas"]) < tolerance["sigmas"]
    solver = told["trajectory"]["unipc"]
    unipc = make_schedule(solver["steps"], "unipc_shift_once", solver["shift"])
    euler = make_schedule(told["trajectory"]["euler"]["steps"], "flow_match_shift_twice")
    for kind, schedule in (("unipc", unipc), ("euler", euler)):
        gap, _ = gaps(tensors, kind, "float32", schedule)
        assert gap < tolerance[f"{kind}_float32"]
        _, units = gaps(tensors, kind, "bf16", schedule)
        assert units <= (0 if kind == "euler" else 2)


def apart(ours: tuple[float, ...], theirs: list[float]) -> float:
    """The greatest difference of two lists of one length."""
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True))


def gaps(
    tensors: dict[str, torch.Tensor], kind: str, precision: str, schedule: Schedule
) -> tuple[float, float]:
    """How far the latents ever are from the reference's, and how far in units of the last place of bfloat16."""
    truth = tensors[f"outputs.{kind}.{precision}.samples"]
    x, solve = tensors[f"inputs.{kind}.sample"].to(truth.dtype), schedule.begin()
    gap = units = 0.0
    for step, velocity in enumerate(tensors[f"inputs.{kind}.model_outputs"]):
        x = solve(step, velocity, x)
        away = (x.float() - truth[step].float()).abs()
        place = torch.exp2(torch.frexp(truth[step].float())[1] - 8.0)
        gap, units = max(gap, float(away.max())), max(units, float((away / place).max()))
    return gap, units
