"""A small fixed computation through a model's own layers, whose hash tells machines apart that compute other bits.

What decides a film's last bits cannot be listed: instruction sets, libraries, drivers, and for each of them variables of the environment. So the machine
is asked: the same numbers go through the layers that make a film, in its precision and on its device, and what comes out is hashed.
"""

import hashlib
from collections.abc import Iterable, Iterator
from copy import copy

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from model.kv.kv_cache import KVCacheConfig
from model.s2v.conditioning import Conditioning
from model.s2v.transformer import S2VTransformer
from model.sampling.causal import CausalDenoiser
from model.sampling.causal_stage import DenoisingSetup
from model.sampling.noise import SeededNoise
from model.sampling.schedule import Schedule
from storage.errors import WrongPrecision

SEED = 22
BLOCKS_BEFORE = 3
"""Blocks of latents that came before the one that is denoised: attention then sees a whole window."""

TOKENS, HEADS, WIDTH = 192, 4, 64
ONE_STEP = Schedule((1000.0,), (1.0, 0.0))


def draw_noise(*shape: int) -> Tensor:
    """Normal numbers, float32, the same on every machine."""
    draw = np.random.default_rng((SEED, *shape))
    return torch.from_numpy(draw.standard_normal(shape, dtype=np.float32))


def hash_bits(made: Iterable[Tensor]) -> str:
    """Sixteen hexadecimal digits that stand for every bit of what was computed. Raises WrongPrecision where that is no number: all machines would agree in it."""
    whole = hashlib.sha256()
    for tensor in made:
        if not tensor.isfinite().all():
            raise WrongPrecision("the fixed computation of the fingerprint", "nan", 1)
        whole.update(tensor.float().cpu().contiguous().numpy().tobytes())
    return whole.hexdigest()[:16]


def compute_formulas(device: torch.device) -> Iterator[Tensor]:
    """What stands between the products, in float32. In bfloat16 a last bit that differs shows once in thousands of numbers: not here, but in a film."""
    x = draw_noise(TOKENS, HEADS * WIDTH).to(device)
    heads = rearrange(x, "l (n d) -> 1 n l d", n=HEADS)
    yield from (F.layer_norm(x, x.shape[-1:]), F.rms_norm(x, x.shape[-1:]), x.softmax(-1))
    yield from (F.gelu(x, approximate="tanh"), F.gelu(x), F.silu(x), x @ x.T)
    yield F.scaled_dot_product_attention(heads, heads, heads)


def keep_first_blocks(transformer: S2VTransformer, count: int) -> S2VTransformer:
    """A copy of the transformer with its first `count` blocks alone, whose weights are shared: all blocks are computed alike."""
    shallow = copy(transformer)
    shallow._modules = {**transformer._modules, "blocks": transformer.blocks[:count]}
    shallow.stream, shallow.held = None, range(count)
    return shallow


def denoise_block(
    transformer: S2VTransformer, latents: Tensor, features: Tensor, cache: KVCacheConfig
) -> Tensor:
    """A block of latents after one step, given the picture's latent [1, c, 1, h, w] and the block's features [1, layer, channel, frame]."""
    config = transformer.config
    motion = latents.repeat(1, 1, sum(config.motion_buckets), 1, 1)
    text = None
    if config.text_dim is not None:
        text = draw_noise(1, config.text_len // 4, config.text_dim).to(latents.device)
    conditioning = Conditioning(latents, motion, text, config.block_latents)
    noise = SeededNoise(SEED, config.roll)
    denoiser = CausalDenoiser(DenoisingSetup(transformer, ONE_STEP, conditioning, noise, cache))
    denoiser.restore(BLOCKS_BEFORE, ())
    return torch.from_numpy(denoiser.denoise(features[0].numpy()).latents)
