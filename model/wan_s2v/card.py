"""Wan2.2-S2V-14B as published, in numbers: known without torch and without its weights."""

from model.avatar import Machine, Options, Traits
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


def describe(options: Options) -> Traits:
    """Its traits for these options."""
    return KIND.describe(options)


def weights_digest(options: Options) -> str:
    """What stands for all its weights."""
    return KIND.weights_digest(options)


def bytes_needed(options: Options, machine: Machine) -> int:
    """Device memory without which a film cannot be made."""
    return KIND.bytes_needed(options, machine)
