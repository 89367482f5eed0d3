"""The causal loop against golden tensors of LiveAvatar, computed from the reference on a CPU in float32."""

from typing import Any

import numpy as np
import torch

from model.s2v.conditioning import Conditioning
from model.sampling.causal import CausalDenoiser
from model.sampling.causal_stage import DenoisingSetup
from model.sampling.schedule import make_schedule
from tests.model.parity.golden import Written, furthest, parts, transformer


def check(told: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """Sink prefill, rings that wrap, a ring for each step, the rolling sink and its replacement, and the pose give the reference's latents."""
    weights, inputs, outputs = parts(tensors)
    blocks, size, steps = (
        told[k] for k in ("blocks_per_clip", "num_frames_per_block", "denoising_steps")
    )
    model = transformer(told, weights, block_latents=size, ring_latents=told["ring_latent_frames"])
    scene = Conditioning(
        inputs["ref_latents"], inputs["motion_latents"], inputs["context"][None], blocks * size,
        pose=lambda clip: inputs["pose"][clip][None],
    )  # fmt: skip
    draws = Written(inputs["noise"], told["rel"], blocks)
    loop = CausalDenoiser(
        DenoisingSetup(model, make_schedule(steps, model.config.sigmas), scene, draws)
    )
    made = [loop.denoise(clip.numpy()).latents for clip in inputs["audio"]]
    worst = furthest(np.concatenate(made, 1), outputs["exact_rope.latents"])
    assert worst < told["recommended_tolerance"]["max_abs"]
