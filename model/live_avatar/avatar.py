"""LiveAvatar, loaded."""

import numpy as np
from numpy.typing import NDArray

from model.avatar import Byte, DeviceConfig, Float, Named, Options, Poses, Seed
from model.kv.kv_cache import KVCacheConfig
from model.live_avatar.model_traits import KIND
from model.s2v.conditioning import Conditioning
from model.sampling.causal import CausalDenoiser
from model.sampling.causal_stage import DenoisingSetup
from model.sampling.noise import SeededNoise
from model.sampling.schedule import make_schedule
from model.vae.wan_vae import WanFrameStream, WanVAE
from model.wan.avatar import WanAvatar, to_bytes, to_pixels
from model.wan.parts import bytes_free, kind_of_device

PRIMER_LATENTS = 7
"""Of the motion latents, decoded before the film's first and not shown: as many as the published program for several cards takes."""

__all__ = ["bytes_free", "kind_of_device", "load_model"]


def load_model(options: Options, machine: DeviceConfig) -> "LiveAvatar":
    """LiveAvatar from the folder that the options name; its parts are read when they are needed."""
    return LiveAvatar(KIND, options, machine)


class LiveAvatar(WanAvatar):
    """The Avatar of the model called live-avatar."""

    def denoiser(self, inputs: Named, seed: Seed, poses: Poses | None = None) -> CausalDenoiser:
        """A denoiser that stands before clip 0."""
        return CausalDenoiser(self.prepare_denoising(inputs, seed, poses))

    def prepare_denoising(self, inputs: Named, seed: Seed, poses: Poses | None = None) -> DenoisingSetup:  # fmt: skip
        """All that decides the latents of a film but its sound; of this process's layers alone, where it has some."""
        transformer = self._parts.transformer
        conditioning = Conditioning(
            self.tensor(inputs["reference"]),
            self.tensor(inputs["motion"]),
            self.tensor(inputs["text"]),
            self._traits.clip_latents,
            masks=self.masks(inputs),
            pose=self.pose_tensors(poses),
            schedule=self.text_schedule(inputs),
        )
        schedule = make_schedule(self._traits.steps, transformer.config.sigmas)
        noise = SeededNoise(seed, transformer.config.roll, self.seed_schedule(inputs))
        cache = KVCacheConfig(self._place.fp8, self._parts.placing.kv_on_host)
        joins = self._parts.placing.joins
        return DenoisingSetup(transformer, schedule, conditioning, noise, cache, joins)

    def decoder(self, inputs: Named) -> "StreamDecoder":
        """A decoder that stands before clip 0."""
        return StreamDecoder(self, self._parts.vae, inputs["motion"][:, :PRIMER_LATENTS])


class StreamDecoder:
    """Latents into frames: one stream for the whole film, begun by the picture standing still.

    Of a card it takes what it needs at once, and not behind the clip that is being denoised, of which all steps may have been asked for.
    """

    def __init__(self, avatar: LiveAvatar, vae: WanVAE, primer: NDArray[np.generic]) -> None:
        """With the latents [c, p, h, w] whose frames nobody sees."""
        self._avatar, self._clip = avatar, 0
        self._beside = vae.beside
        with self._beside.entered():
            self._stream = WanFrameStream(vae, avatar.tensor(primer))

    @property
    def next_clip(self) -> int:
        """The clip that `decode` expects next."""
        return self._clip

    def decode(self, latents: Float) -> Byte:
        """Decode the next clip: [c, t, h, w] → [frame, y, x, rgb]."""
        with self._beside.entered():
            film = self._avatar.tensor(latents)
            frames = [to_bytes(self._stream.push(latent)) for latent in film.split(1, 2)]
            pixels = to_pixels(frames)
        self._clip += 1
        return pixels

    def seek(self, clip: int, preceding: Float) -> None:
        """Stand before `clip`, given the latents before it."""
        with self._beside.entered():
            self._stream.seek(self._avatar.tensor(preceding))
        self._clip = clip

    def motion(self) -> Float:
        """Nothing: a clip takes nothing from the decoded one."""
        raise NotImplementedError
