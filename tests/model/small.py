"""The published transformer in miniature: every switch as LiveAvatar has it, random weights."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from model.s2v.conditioning import Conditioning
from model.s2v.config import S2VConfig
from model.s2v.transformer import S2VTransformer

SIZES: dict[str, Any] = {
    "dim": 24,
    "ffn_dim": 32,
    "num_heads": 2,
    "num_layers": 2,
    "text_dim": 6,
    "text_len": 5,
    "audio_dim": 4,
    "audio_layers": 3,
    "audio_inject_layers": (0, 1),
}
CHANNELS = 16


def small_transformer(**switches: Any) -> S2VTransformer:
    """It, with all of its weights random, those too that begin as zeros."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = S2VTransformer(S2VConfig(**(SIZES | switches)))
        for weight in model.parameters():
            nn.init.normal_(weight, std=0.15)
    return model.eval().requires_grad_(False)


def rounded(model: S2VTransformer) -> S2VTransformer:
    """The same with its weights in bfloat16."""
    return model.to(torch.bfloat16)


def keep_blocks(model: S2VTransformer, held: range) -> None:
    """Let go of the weights of all other blocks, and of their injectors, as if they had not been loaded."""
    model.held = held
    for i, block in enumerate(model.blocks):
        if i not in held:
            block.to("meta")
    for i, j in model.injector_of.items():
        if i not in held:
            model.audio_injector.injector[j].to("meta")
            model.audio_injector.injector_adain_layers[j].to("meta")


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normal numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def small_scene(height: int = 8, width: int = 8, latents: int = 3, **more: Any) -> Conditioning:
    """A film of latents of this size, in clips of so many."""
    given = {
        "reference": draw(1, CHANNELS, 1, height, width, seed=1),
        "motion": draw(1, CHANNELS, 19, height, width, seed=2),
        "text": draw(1, 3, SIZES["text_dim"], seed=3),
        "clip_latents": latents,
    }
    return Conditioning(**(given | more))


def elsewhere(scene: Conditioning) -> Conditioning:
    """The scene on a device without any values, where a tensor of the CPU cannot be met."""
    reference, motion = (x.to("meta") for x in (scene.reference, scene.motion))
    return replace(scene, reference=reference, motion=motion)


def sound(latents: int, speakers: int | None = None, seed: int = 4) -> np.ndarray:
    """Features of so many latents, of one speaker or of several."""
    shape = (SIZES["audio_layers"], SIZES["audio_dim"], 4 * latents)
    return draw(*(shape if speakers is None else (speakers, *shape)), seed=seed).numpy()
