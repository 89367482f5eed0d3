"""What pocket is, in numbers: known without torch and without its weights."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from model.avatar import Avatar, Options, Traits

WEIGHTS = Path(__file__).parent / "weights"
AVATAR, VAE, VAE_CONFIG = "avatar.safetensors", "vae.safetensors", "vae.json"

SAMPLE_RATE, FPS = 16_000, 25
AUDIO_MARGIN = 12 * SAMPLE_RATE // FPS + 160
"""What model.audio.MelEncoder.margin says, without torch."""
AUDIO: dict[str, Any] = {"bands": 80, "channels": 192, "depth": 5, "layers": 3}
TRANSFORMER: dict[str, Any] = {
    "dim": 256,
    "ffn_dim": 512,
    "num_heads": 4,
    "num_layers": 6,
    "text_dim": None,
    "cond_dim": None,
    "audio_dim": AUDIO["channels"],
    "audio_layers": AUDIO["layers"],
    "audio_inject_layers": (0, 1, 2, 3, 4, 5),
    "motion_buckets": (1, 2),
    "rope_theta": 100.0,
    "motion_follows": True,
    "sigmas": "flow_match_even",
}
BLOCK_LATENTS, FRAMES_PER_LATENT = 3, 4
PIXELS_PER_TOKEN, LATENTS_PER_TOKEN = 32, 2
"""A side in pixels and in latent pixels: films of other sides are made a little larger and cut."""


def describe(options: Options) -> Traits:
    """Pocket's traits for these options."""
    return Traits(
        name="pocket",
        fps=FPS,
        clip_frames=options.clip_frames,
        block_frames=BLOCK_LATENTS * FRAMES_PER_LATENT,
        frames_per_latent=FRAMES_PER_LATENT,
        latent_channels=16,
        latent_width=latent_side(options.width),
        latent_height=latent_side(options.height),
        size_multiple=16,
        default_width=256,
        default_height=256,
        steps=options.steps,
        sample_rate=SAMPLE_RATE,
        audio_layers=AUDIO["layers"],
        audio_channels=AUDIO["channels"],
        audio_margin=AUDIO_MARGIN,
        decoder_memory=2,
        prompt_acts=False,
        decodes_offline=True,
    )


def load(options: Options, *, threads: int) -> Avatar:
    """Pocket with its shipped weights on the CPU."""
    from model.pocket.avatar import PocketAvatar

    return PocketAvatar(options, threads)


def latent_side(pixels: int) -> int:
    """Latent pixels that cover a side."""
    return -(-pixels // PIXELS_PER_TOKEN) * LATENTS_PER_TOKEN


@lru_cache(maxsize=1)
def vae_config() -> dict[str, Any]:
    """The configuration of pocket's VAE."""
    config: dict[str, Any] = json.loads((WEIGHTS / VAE_CONFIG).read_text())
    return config


@lru_cache(maxsize=1)
def weights_digest() -> str:
    """The SHA-256 over all that decides the weights."""
    whole = hashlib.sha256()
    for name in (AVATAR, VAE, VAE_CONFIG):
        whole.update((WEIGHTS / name).read_bytes())
    return whole.hexdigest()
