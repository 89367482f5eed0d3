"""The configuration of the speech-to-video transformer: its sizes and the switches in which the models differ. Without torch."""

from dataclasses import dataclass

BUCKET_PATCHES = {1: (1, 2, 2), 2: (2, 4, 4), 16: (4, 8, 8)}
"""Latent frames in a bucket of FramePack → latent pixels to a token in time, height, width."""


@dataclass(frozen=True)
class S2VConfig:
    """Names and defaults are those of the published configuration file (Wan2.2-S2V-14B); what no file tells is LiveAvatar's."""

    dim: int = 5120
    ffn_dim: int = 13824
    freq_dim: int = 256
    num_heads: int = 40
    num_layers: int = 40
    in_dim: int = 16
    out_dim: int = 16
    patch_size: tuple[int, int, int] = (1, 2, 2)
    text_dim: int | None = 4096
    """None: no prompt."""
    text_len: int = 512
    cond_dim: int | None = 16
    """Channels of the pose latents; None: no pose."""
    audio_dim: int = 1024
    audio_layers: int = 25
    num_audio_token: int = 4
    audio_inject_layers: tuple[int, ...] = (0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39)
    motion_buckets: tuple[int, ...] = (1, 2, 16)
    """Motion latents in each of FramePack's buckets, the latest first."""
    motion_edged: bool = True
    """See model.s2v.frame_packer.FramePacker."""
    rope_theta: float = 10000.0
    eps: float = 1e-6
    block_latents: int = 3
    ring_latents: int = 12
    """Latents that a block attends to through the KV cache, its own included."""
    reference_time: int = 30
    """Time of the reference, in latents, before it rolls ahead of the blocks."""
    roll: tuple[int, int] = (4, 30)
    """How many latents ahead of a block the reference may stand: least and most."""
    motion_follows: bool = False
    """Motion latents are the ones just made, placed before the block; else they stay the picture's."""
    sink_from_first_clip: bool = True
    """The reference becomes the film's first latent after clip 0."""
    sigmas: str = "flow_match_shift_twice"
    """The schedule: see model.sampling.schedule.make_schedule."""
    rounding: str = "block"
    """Where tokens are rounded to the weights' precision: after each "layer" of a block, after each "block", "never".

    Unless it is "layer", modulations, the injector's norm and the audio encoder are in float32.
    """
    rounded_latents: bool = True
    """The latents are rounded to the weights' precision after every step, too."""


def count_tokens(config: S2VConfig, height: int, width: int) -> tuple[int, int]:
    """Tokens of one latent frame of height × width latent pixels, and of the condition: of the reference and of all motion latents."""
    _, ph, pw = config.patch_size
    rows, columns = height // ph, width // pw

    def count_coarse(size: int, unit: int) -> int:
        return -(-size // unit) if config.motion_edged else size // unit

    motion = 0
    for bucket in config.motion_buckets:
        ct, ch, cw = BUCKET_PATCHES[bucket]
        motion += bucket // ct * count_coarse(rows, ch // 2) * count_coarse(columns, cw // 2)
    return rows * columns, rows * columns + motion
