"""Wan2.2-S2V-14B as published, in numbers: known without torch and without its weights."""

from model.wan.card import MOTION_LATENTS, Kind

KIND = Kind(
    name="wan-s2v",
    fps=16,
    clip_frames=80,
    block_frames=4,
    steps=40,
    motion_latents=MOTION_LATENTS,
    guidance="4.5",
    least_frames=76,
    vae_in_float=True,
    switches={"sigmas": "unipc_shift_once", "rounding": "never"},
)

describe, weights_digest = KIND.describe, KIND.weights_digest
bytes_needed, preview = KIND.bytes_needed, KIND.preview
