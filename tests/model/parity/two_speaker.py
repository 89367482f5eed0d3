"""Two speakers with masks against golden tensors of LiveAvatar, computed from the reference on a CPU in float32."""

from typing import Any

import torch

from model.s2v.conditioning import Conditioning
from model.sampling.causal import CausalDenoiser
from model.sampling.causal_stage import DenoisingSetup
from model.sampling.schedule import make_schedule
from tests.model.parity.golden import Written, furthest, parts, transformer


def check(told: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """Each speaker is heard where no other one is, by the first latents of the masks whichever block it is."""
    weights, inputs, outputs = parts(tensors)
    size, blocks, steps = (
        told["num_frames_per_block"], told["geometry"]["blocks"], told["denoising_steps"],
    )  # fmt: skip
    model = transformer(told, weights, block_latents=size)
    scene = Conditioning(
        inputs["ref_latents"], inputs["motion_latents"], inputs["context"][None], blocks * size,
        masks=inputs["mask"].squeeze(-1),
    )  # fmt: skip
    draws = Written(inputs["noise"], told["rel"], blocks)
    loop = CausalDenoiser(
        DenoisingSetup(model, make_schedule(steps, model.config.sigmas), scene, draws)
    )
    made = loop.denoise(inputs["audio"].numpy()).latents
    assert furthest(made, outputs["exact_rope.latents"]) < told["recommended_tolerance"]["max_abs"]
