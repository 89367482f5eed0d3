"""What pocket computes alike on machines that make the same film, and otherwise on others (model/sampling/probe.py)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from einops import repeat
from torch import Tensor

from model.avatar import Options
from model.encoders.mel_encoder import MelEncoder
from model.kv.kv_cache import KVCacheConfig
from model.pocket import model_traits
from model.pocket.canvas import PIXELS_PER_LATENT, SMALLEST
from model.pocket.conditions import PLANES, ReferenceEncoder
from model.pocket.motion_autoencoder import BOXES, FeatureCache, MotionAutoencoder, blend_frames
from model.s2v.transformer import S2VTransformer
from model.sampling.probe import compute_formulas, denoise_block, draw_noise, keep_first_blocks

FEATURES = model_traits.BLOCK_LATENTS * model_traits.FRAMES_PER_LATENT
"""Frames of a block of latents."""
BLOCKS = 2
"""Of the transformer."""


@dataclass(frozen=True)
class Parts:
    """What computes."""

    audio_encoder: MelEncoder
    transformer: S2VTransformer
    reference: ReferenceEncoder
    autoencoder: MotionAutoencoder
    cache: KVCacheConfig


@torch.inference_mode()
def compute_probe(parts: Parts, options: Options, *, whole: bool = False) -> Iterator[Tensor]:
    """What each part makes of fixed numbers, at the film's size; the VAE, as wide as the film and, unless it is the `whole`, as high as its smallest.

    By shapes, oneDNN and MKL choose their kernels: with fewer tokens than the film has, attention gave the same bits where the film's were others.
    """
    yield from compute_formulas(torch.device("cpu"))
    span = (
        min(options.clip_frames, model_traits.CLIP_FRAMES)
        * model_traits.SAMPLE_RATE
        // model_traits.FPS
    )
    features = parts.audio_encoder.hear(draw_noise(1, span + 2 * model_traits.AUDIO_MARGIN) / 10)
    yield features
    traits = model_traits.describe_model(options)
    width, height = traits.latent_width, traits.latent_height
    rows = height if whole else SMALLEST // PIXELS_PER_LATENT
    strip = (rows * PIXELS_PER_LATENT, width * PIXELS_PER_LATENT)
    kept = parts.autoencoder.open.weight.dtype
    picture = draw_noise(1, 3, *strip).clamp_(-1, 1).to(kept)
    planes = draw_noise(1, BOXES, *strip).abs_().clamp_(0, 1).to(kept)
    yield parts.reference(picture, planes)
    still = repeat(picture, "1 c y x -> 1 c t y x", t=model_traits.FRAMES_PER_LATENT)
    yield parts.autoencoder.encode(picture, planes, still)
    latents = draw_noise(1, traits.latent_channels, 1, height, width)
    shallow = keep_first_blocks(parts.transformer, BLOCKS)
    yield denoise_block(shallow, latents, features[..., :FEATURES], parts.cache)
    told = draw_noise(1, PLANES, 1, height, width)
    yield parts.transformer.embed_noisy(latents, told)
    seen = parts.autoencoder.look(picture, planes)
    fields = parts.autoencoder.fields(seen, latents[..., :rows, :].to(kept), FeatureCache())
    yield from fields
    yield blend_frames(picture, fields)
