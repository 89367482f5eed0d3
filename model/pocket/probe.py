"""What pocket computes alike on machines that make the same film, and otherwise on others (model/sampling/probe.py)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from model.avatar import Options
from model.encoders.mel_encoder import MelEncoder
from model.kv.kv_cache import KVCacheConfig
from model.pocket import model_traits
from model.pocket.canvas import SIZE
from model.pocket.conditions import PLANES
from model.pocket.curve_layout import FRAMES
from model.pocket.motion_curves import join_spans, stand_still
from model.pocket.viseme_head import VisemeHead
from model.pocket.warping_network import BOXES, WarpingNetwork, blend_frames
from model.s2v.transformer import S2VTransformer
from model.sampling.probe import compute_formulas, denoise_block, draw_noise, keep_first_blocks

FEATURES = model_traits.BLOCK_LATENTS * FRAMES
"""Frames of a block of latents."""
BLOCKS = 2
"""Of the transformer."""


@dataclass(frozen=True)
class Parts:
    """What computes."""

    audio_encoder: MelEncoder
    visemes: VisemeHead
    transformer: S2VTransformer
    network: WarpingNetwork
    cache: KVCacheConfig


@torch.inference_mode()
def compute_probe(parts: Parts, options: Options) -> Iterator[Tensor]:
    """What each part makes of fixed numbers, at the sizes that films have.

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
    yield parts.visemes(features[..., :FEATURES])
    traits = model_traits.describe_model(options)
    width, height = traits.latent_width, traits.latent_height
    kept = parts.network.grow.weight.dtype
    picture = draw_noise(1, 3, SIZE, SIZE).clamp_(-1, 1).to(kept)
    planes = draw_noise(1, BOXES, SIZE, SIZE).abs_().clamp_(0, 1).to(kept)
    seen = parts.network.look(picture, planes)
    yield from (*seen, stand_still(seen.rest))
    latents = draw_noise(1, traits.latent_channels, 1, height, width)
    shallow = keep_first_blocks(parts.transformer, BLOCKS)
    yield denoise_block(shallow, latents, features[..., :FEATURES], parts.cache)
    told = draw_noise(1, PLANES, 1, height, width)
    yield parts.transformer.embed_noisy(latents, told)
    fields = parts.network.fields(seen, join_spans(latents.flip(1), latents))
    yield from fields
    yield blend_frames(picture, fields)
