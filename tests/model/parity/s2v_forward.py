"""Whole forwards of Wan2.2-S2V against golden tensors, computed from the reference on a CPU in float32."""

from typing import Any

import numpy as np
import torch

from model.s2v.conditioning import Conditioning
from model.sampling.clipwise import ClipwiseDenoiser, Guidance
from model.sampling.schedule import Schedule
from tests.model.parity.golden import furthest, parts, transformer


class Given:
    """The fixture's noise."""

    def __init__(self, noise: torch.Tensor) -> None:
        self.whole = noise

    def noise(self, clip: int, block: int, shape: tuple[int, ...]) -> np.ndarray:
        return self.whole.reshape(shape).numpy().copy()

    def sink(self, clip: int, block: int, step: int) -> int:
        raise AssertionError("the reference stands still")


def check(told: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """One step of the clip-wise loop gives the velocity of every case: first clip, later clip, pose, sound of zeros, few motion latents."""
    weights, inputs, outputs = parts(tensors)
    model, tolerance = transformer(told, weights), told["recommended_tolerance"]
    for name, case in told["cases"].items():
        given = {arg: inputs.get(key, key) for arg, key in case["args_to_inputs"].items()}
        truth = outputs[case["output"]]
        velocity = forward(model, given)
        error = np.linalg.norm(velocity - truth.numpy()) / np.linalg.norm(truth.numpy())
        assert furthest(velocity, truth) < tolerance["max_abs"], name
        assert error < tolerance["rel_l2"], name
        for branch, heard in zip(("local", "global"), listen(model, given), strict=True):
            if (diagnosis := outputs.get(f"{name}.diag.audio_{branch}")) is not None:
                own = diagnosis[:, -heard.shape[1] :]
                assert furthest(heard, own) < tolerance["max_abs"], (name, branch)


def forward(model: Any, given: dict[str, Any]) -> np.ndarray:
    """A film of one clip and one step, from noise x to x - velocity."""
    x, motion = given["x"], given["motion_latents"]
    kept = motion[:, :, :0] if given["drop_motion_frames"] else motion
    scene = Conditioning(
        given["ref_latents"], kept, given["context"][None], x.shape[2],
        pose=lambda _: given["cond_states"],
    )  # fmt: skip
    schedule = Schedule((float(given["t"]),), (1.0, 0.0))
    loop = ClipwiseDenoiser(model, schedule, scene, Given(x), Guidance(1.0))
    made = loop.denoise(given["audio_input"][0].numpy())
    return x.numpy() - made.latents[None]


@torch.inference_mode()
def listen(model: Any, given: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The audio tokens of each latent, local and global, in the axes of the fixture."""
    local, whole = model.casual_audio_encoder(given["audio_input"])
    return local, whole[:, :, None]
