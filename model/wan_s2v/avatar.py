"""Wan2.2-S2V-14B, loaded."""

from torch import Tensor

from model.avatar import Byte, DeviceConfig, Float, Named, Options, Poses, Seed
from model.encoders.umt5 import TextEncoder
from model.s2v.conditioning import Conditioning
from model.sampling.clipwise import ClipwiseDenoiser, Guidance
from model.sampling.noise import SeededNoise
from model.sampling.schedule import make_schedule
from model.vae.wan_vae import MotionWindow, WanVAE, decode_clip
from model.wan.avatar import MOTION_FRAMES, WanAvatar, to_array, to_bytes, to_pixels
from model.wan.model_traits import PIXELS_PER_LATENT
from model.wan.parts import bytes_free, kind_of_device
from model.wan_s2v.model_traits import KIND

__all__ = ["bytes_free", "kind_of_device", "load_model"]


def load_model(options: Options, machine: DeviceConfig) -> "WanS2V":
    """Wan-S2V from the folder that the options name; its parts are read when they are needed."""
    return WanS2V(KIND, options, machine)


class WanS2V(WanAvatar):
    """The Avatar of the model called wan-s2v."""

    def encode_words(self, encoder: TextEncoder, prompt: str) -> Named:
        """The states of the prompt, and of what guidance leads away from: empty words, unless a person has said some. The published list of unwanted things is not ours to ship."""
        return {
            "text": encoder.encode_text(prompt),
            "negative": encoder.encode_text(self._options.negative_prompt),
        }

    def denoiser(self, inputs: Named, seed: Seed, poses: Poses | None = None) -> ClipwiseDenoiser:
        """A denoiser that stands before clip 0."""
        transformer, reference = self._parts.transformer, self.tensor(inputs["reference"])
        # Before clip 0 there is no past at all: its tokens are left out.
        conditioning = Conditioning(
            reference,
            reference[:, :, :0],
            self.tensor(inputs["text"]),
            self._traits.clip_latents,
            masks=self.masks(inputs),
            pose=self.pose_tensors(poses),
            schedule=self.text_schedule(inputs),
        )
        guidance = Guidance(float(self._traits.guidance), self.tensor(inputs["negative"]))
        schedule = make_schedule(self._traits.steps, transformer.config.sigmas)
        noise = SeededNoise(seed, transformer.config.roll, self.seed_schedule(inputs))
        return ClipwiseDenoiser(transformer, schedule, conditioning, noise, guidance)

    def decoder(self, inputs: Named) -> "ClipDecoder":
        """A decoder that stands before clip 0."""
        return ClipDecoder(self, self._parts.vae, self.tensor(inputs["reference"]))


class ClipDecoder:
    """Latents into frames, each clip by itself behind its own motion latents (clip 0: behind the picture's)."""

    def __init__(self, avatar: WanS2V, vae: WanVAE, reference: Tensor) -> None:
        self._avatar, self._vae, self._before, self._clip = avatar, vae, reference, 0

    @property
    def next_clip(self) -> int:
        """The clip that `decode` expects next."""
        return self._clip

    def decode(self, latents: Float) -> Byte:
        """Decode the next clip: [c, t, h, w] → [frame, y, x, rgb]."""
        film, made = self._avatar.tensor(latents), []
        seen = self._window(film)
        for frames in decode_clip(self._vae, self._before, film):
            made.append(to_bytes(frames))
            seen.extend(frames)
        self._clip += 1
        self._motion = to_array(seen.latents())
        self._before = self._avatar.tensor(self._motion)
        return to_pixels(made)

    def motion(self) -> Float:
        """The last frames as they were decoded, unrounded, encoded anew [c, 19, h, w]."""
        return self._motion

    def seek(self, clip: int, preceding: Float) -> None:
        """Stand before `clip`, given what `motion` said after the clip before."""
        self._before, self._clip = self._avatar.tensor(preceding), clip

    def _window(self, latents: Tensor) -> MotionWindow:
        # A clip has more frames than the window, so that what it begins with never stays.
        height, width = (PIXELS_PER_LATENT * side for side in latents.shape[-2:])
        return MotionWindow(self._vae, latents.new_zeros(1, 3, MOTION_FRAMES, height, width))
