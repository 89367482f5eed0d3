"""What a large model computes alike on machines that make the same film, and otherwise on others (model/sampling/probe.py).

No weight is loaded for it: a miniature of each part has the part's own layers in their true width, once instead of many times, and drawn numbers. The prompt's
encoder is left out; its products are the transformer's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import TypeVar

import torch
from torch import Tensor, nn

from model.avatar import ModelTraits
from model.encoders.wav2vec2_modules import SpeechSizes, Wav2Vec2
from model.kv.kv_cache import KVCacheConfig
from model.ops.fp8 import quantize_linears
from model.s2v.config import S2VConfig
from model.s2v.transformer import S2VTransformer
from model.sampling.probe import compute_formulas, denoise_block, draw_noise
from model.vae.wan_layout import bare_names, read_layout
from model.vae.wan_vae import WanFrameStream, WanVAE, build_modules
from model.wan.model_traits import FRAMES_PER_LATENT, PIXELS_PER_LATENT, SAMPLE_RATE, PublishedModel
from model.weights import checkpoint
from model.weights.checkpoint import WeightsLocation, read_json
from model.weights.empty_modules import empty_modules
from model.weights.file_headers import read_contents
from model.weights.loading import Placement

POOL = 1 << 20
"""Drawn numbers that all weights are cut from."""
ROWS = 8
"""Of latents, that the VAE is given."""
Part = TypeVar("Part", bound=nn.Module)


@dataclass(frozen=True)
class Miniature:
    """A published model with one layer of each kind and drawn numbers: which model, from which folder's shapes, and where it is computed."""

    kind: PublishedModel
    place: WeightsLocation
    placement: Placement

    @torch.inference_mode()
    def compute(self, traits: ModelTraits) -> Iterator[Tensor]:
        """What each part makes of fixed numbers: the speech encoder of a second, the VAE as wide as the film, the transformer at its size."""
        device = self.placement.device
        yield from compute_formulas(device)
        sound = draw_noise(1, SAMPLE_RATE).to(device, self.placement.dtype)
        yield self.audio_encoder()(sound[0])[-1:]
        latents = draw_noise(
            1, traits.latent_channels, 1, traits.latent_height, traits.latent_width
        )
        latents, vae = latents.to(device), self.vae()
        width, frames = traits.latent_width * PIXELS_PER_LATENT, 1 + FRAMES_PER_LATENT
        yield vae.encode(draw_noise(1, 3, frames, ROWS * PIXELS_PER_LATENT, width).to(device))
        yield WanFrameStream(vae).push(latents[..., :ROWS, :].repeat(1, 1, 2, 1, 1))
        features = draw_noise(1, traits.audio_layers, traits.audio_channels, traits.block_frames)
        yield denoise_block(
            self.transformer(), latents, features, KVCacheConfig(self.placement.fp8)
        )

    def audio_encoder(self) -> nn.Module:
        """Its speech encoder with a single layer."""
        config = read_json(self.place.folder, checkpoint.SPEECH_CONFIG)
        with empty_modules():
            model = Wav2Vec2(SpeechSizes.read(config | {"num_hidden_layers": 1})).eval()
        return self._fill(model, self.placement.dtype)

    def vae(self) -> WanVAE:
        """Its VAE."""
        path = self.place.folder / checkpoint.VAE
        shapes = {name: held.shape for name, held in read_contents(path).items()}
        module = build_modules(read_layout(bare_names(shapes), path))
        dtype = torch.float32 if self.kind.vae_in_float else self.placement.dtype
        vae = WanVAE(self._fill(module, dtype))
        # Else a change of the kernel would not show: the film is large, and what is decoded here is not.
        vae.use_kernel_always()
        return vae

    def transformer(self) -> S2VTransformer:
        """Its transformer with a single block."""
        config = S2VConfig(**self.place.config, **self.kind.switches)
        single = replace(config, num_layers=1, audio_inject_layers=(0,))
        with empty_modules():
            model = S2VTransformer(single).eval()
        self._fill(model, self.placement.dtype)
        if self.placement.fp8:
            quantize_linears(model.blocks)
        model.join_projections()
        return model

    def _fill(self, module: Part, dtype: torch.dtype) -> Part:
        """A module that has no numbers yet, on the device with drawn ones; norms are about one."""
        pool = draw_noise(POOL).to(self.placement.device)
        state = {}
        for name, wanted in module.state_dict().items():
            weight = torch.empty(wanted.shape, dtype=dtype, device=self.placement.device)
            flat = weight.ndim < 2
            mean = float(flat and not name.endswith("bias"))
            scale = 0.1 if flat else prod(weight.shape[1:]) ** -0.5
            for piece in weight.view(-1).split(POOL):
                piece.copy_(mean + scale * pool[: len(piece)])
            state[name] = weight
        module.load_state_dict(state, assign=True)
        return module
