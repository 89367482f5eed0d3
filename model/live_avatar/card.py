"""LiveAvatar, in numbers: known without torch and without its weights."""

from model.avatar import Machine, Options, Traits
from model.wan.card import Kind

KIND = Kind(
    name="live-avatar",
    fps=25,
    clip_frames=48,
    block_frames=12,
    steps=4,
    motion_latents=0,
    lora=True,
    switches={"sink_from_first_clip": True, "sigmas": "flow_match_shift_twice"},
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
