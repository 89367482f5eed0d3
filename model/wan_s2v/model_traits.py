"""Wan2.2-S2V-14B as published, in numbers: known without torch and without its weights."""

from model.wan.gpu_time import MeasuredClip
from model.wan.model_traits import MOTION_LATENTS, PublishedModel

KIND = PublishedModel(
    name="wan-s2v",
    fps=16,
    clip_frames=80,
    block_frames=4,
    steps=40,
    motion_latents=MOTION_LATENTS,
    guidance="4.5",
    least_frames=76,
    vae_in_float=True,
    # Four steps with guidance: eight passes; it decodes, and encodes its own past, in float32.
    measured=MeasuredClip(
        14.5, 3.1, 1.0, operations=8 * 1070.4e12, pixels=704 * 384 * 20, pose=1.7
    ),
    switches={"sigmas": "unipc_shift_once", "rounding": "never"},
)

describe_model, weights_digest = KIND.describe_model, KIND.weights_digest
bytes_needed, read_preview = KIND.bytes_needed, KIND.read_preview
estimate_memory, estimate_time = KIND.estimate_memory, KIND.estimate_time
