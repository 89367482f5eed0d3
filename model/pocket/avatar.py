"""Pocket, loaded: a small transformer, a small VAE and a small audio encoder behind the Protocols that the 14B models have, too."""

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from safetensors.torch import load_file
from torch import Tensor

from model.avatar import AudioWindow, Byte, DeviceConfig, Float, ModelTraits, Named, Options, Seed
from model.device.precision import require_precision
from model.device.processor import NARROW, WIDENED, uses_amx, widen_convolutions
from model.encoders.mel_encoder import MelEncoder
from model.kv.kv_cache import KVCacheConfig
from model.ops.fp8 import quantize_linears
from model.pocket import model_traits
from model.pocket.face_boxes import FaceBoxes
from model.pocket.probe import Parts, compute_probe
from model.pocket.vae import CACHED_LATENTS, FrameStream, PocketVAE, load_vae
from model.s2v.conditioning import Conditioning
from model.s2v.transformer import S2VTransformer
from model.sampling.causal import CausalDenoiser
from model.sampling.noise import SeededNoise
from model.sampling.probe import hash_bits
from model.sampling.schedule import Schedule, make_schedule


def load_model(options: Options, machine: DeviceConfig) -> "PocketAvatar":
    """Pocket with its shipped weights on the CPU."""
    return PocketAvatar(options, machine.threads)


def bytes_free(machine: DeviceConfig) -> int | None:
    """Bytes that may be used; None: whatever there is, it is enough."""
    return machine.memory


def choose_precision() -> torch.dtype:
    """bf16 where the processor multiplies it natively, else float32 (emulated bf16 is slower than both)."""
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


class PocketAvatar:
    """The Avatar of the model called pocket."""

    def __init__(self, options: Options, threads: int) -> None:
        torch.set_num_threads(threads)
        self._options = model_traits.fill_options(options)
        self._threads, self._dtype = threads, choose_precision()
        self._traits = model_traits.describe_model(options)
        weights = load_file(model_traits.WEIGHTS / model_traits.AVATAR_FILE)
        self._audio_encoder = MelEncoder()
        self._audio_encoder.load_state_dict(weights_of_part(weights, "audio."))
        self._audio_encoder.eval()
        self._transformer = S2VTransformer(model_traits.TRANSFORMER)
        self._transformer.load_state_dict(weights_of_part(weights, "transformer."))
        self._transformer.eval().to(self._dtype)
        widen_convolutions(self._transformer)
        self._vae = load_vae().to(self._dtype)
        self._cache = KVCacheConfig()

    def round_to_eight_bits(self) -> None:
        """Compute as `--fp8` does on a card: layers, keys and values, attention. Slower here; for measuring what it costs (model.pocket.training.evaluate --eight)."""
        quantize_linears(self._transformer.blocks)
        self._cache = KVCacheConfig(eight=True)

    @property
    def traits(self) -> ModelTraits:
        """Pocket's numbers for its options."""
        return self._traits

    @property
    def numerics(self) -> Mapping[str, str | int]:
        """What decides the last bits, by name: part of the run's fingerprint."""
        return {
            "torch": torch.__version__,
            "device": "cpu",
            "precision": str(self._dtype).removeprefix("torch."),
            "threads": self._threads,
            "vectors": torch.backends.cpu.get_cpu_capability(),
            "amx": WIDENED if uses_amx() else 0,
            "rings": "whole",
            "probe": self._probe,
        }

    @cached_property
    def _probe(self) -> str:
        return hash_bits(self._compute())

    def require_precision(self) -> None:
        """Raise WrongPrecision unless each kind of layer computes here what float32 gives, but for rounding."""
        if self._dtype in NARROW:
            require_precision(self._compute(whole=uses_amx()))

    def _compute(self, *, whole: bool = False) -> Iterator[Tensor]:
        parts = Parts(self._audio_encoder, self._transformer, self._vae, self._cache)
        return compute_probe(parts, self._options, whole=whole)

    @property
    def peaks(self) -> Mapping[str, int]:
        """Device memory by who says so: none, as pocket runs on a CPU."""
        return {}

    def look(self) -> Mapping[str, int | str]:
        """The device now: nothing is told of a CPU."""
        return {}

    @torch.inference_mode()
    def encode_inputs(
        self,
        picture: Byte,
        prompt: str,  # noqa: ARG002 - traits.prompt_acts says so
        face: FaceBoxes | None = None,
    ) -> Named:
        """The latent of the picture standing still, "reference" [c, 1, h, w], and the face's "boxes" [mouth, left eye, right eye; x, y, width, height] in the picture's pixels, if it is given."""
        frame = torch.from_numpy(picture.copy()).float() / 127.5 - 1
        still = repeat(
            fit_to_canvas(
                rearrange(frame, "y x c -> 1 c y x"), model_traits.choose_canvas(self._options)
            ),
            "1 c y x -> 1 c t y x",
            t=model_traits.FRAMES_PER_LATENT,
        )
        reference = self._vae.encode(still)[0].numpy().copy()
        return {"reference": reference} | ({"boxes": face.to_array()} if face else {})

    @torch.inference_mode()
    def extract_audio(self, heard: AudioWindow) -> Float:
        """Features [layer, channel, frame] of a clip's span of sound with its margins."""
        features: Float = self._audio_encoder.hear(torch.from_numpy(heard.sound)[None])[0].numpy()
        return features

    def denoiser(self, inputs: Named, seed: Seed) -> CausalDenoiser:
        """A denoiser that stands before clip 0."""
        config = self._transformer.config
        reference = to_batch(inputs["reference"])
        past = sum(config.motion_buckets)
        conditioning = Conditioning(
            reference, reference.repeat(1, 1, past, 1, 1), None, self._traits.clip_latents
        )
        schedule = choose_schedule(self._traits.steps)
        noise = SeededNoise(seed, config.roll)
        return CausalDenoiser(self._transformer, schedule, conditioning, noise, self._cache)

    def decoder(self, inputs: Named) -> "PocketDecoder":
        """A decoder that stands before clip 0."""
        still = to_batch(inputs["reference"]).repeat(1, 1, CACHED_LATENTS, 1, 1)
        return PocketDecoder(self._vae, still, self._options)


class PocketDecoder:
    """Latents into frames; the stream begins with the picture standing still, so that the first frames have a past."""

    def __init__(self, vae: PocketVAE, still: Tensor, options: Options) -> None:
        self._stream, self._still, self._options = FrameStream(vae), still, options
        self.seek(0, np.empty((still.shape[1], 0, *still.shape[3:]), np.float32))

    @property
    def next_clip(self) -> int:
        """The clip that `decode` expects next."""
        return self._clip

    # Without it, float32 frames are not copied below, and what inference made is not written over outside of it.
    @torch.inference_mode()
    def decode(self, latents: Float) -> Byte:
        """Decode the next clip: [c, t, h, w] → [frame, y, x, rgb]."""
        film = torch.from_numpy(latents)[None]
        size = (self._options.height, self._options.width)
        made = torch.empty((self._options.clip_frames, *size, 3), dtype=torch.uint8)
        for i, latent in enumerate(film.split(1, 2)):
            frames = rearrange(self._stream.push(latent), "1 c t y x -> t c y x")
            pixels = cut_from_canvas(frames, self._options).float().add_(1).mul_(127.5).round_()
            at = i * model_traits.FRAMES_PER_LATENT
            made[at : at + len(pixels)] = rearrange(pixels, "t c y x -> t y x c")
        self._clip += 1
        return made.numpy()

    def motion(self) -> Float:
        """Raise NotImplementedError: a clip takes nothing from the decoded one."""
        raise NotImplementedError

    def seek(self, clip: int, preceding: Float) -> None:
        """Stand before `clip`, given the latents before it."""
        self._stream.reset()
        past = torch.from_numpy(np.ascontiguousarray(preceding))[None]
        if clip * self._options.clip_frames < CACHED_LATENTS * model_traits.FRAMES_PER_LATENT:
            past = torch.cat([self._still, past], 2)
        self._stream.push(past)
        self._clip = clip


def fit_to_canvas(picture: Tensor, canvas: model_traits.Canvas) -> Tensor:
    """A picture [1, c, y, x] of the film's size on the canvas, its edges continued."""
    size = (canvas.film_height, canvas.film_width)
    if picture.shape[-2:] != size:
        picture = F.interpolate(picture, size, mode="bilinear", antialias=True)
    right, bottom = canvas.width - canvas.left - size[1], canvas.height - canvas.top - size[0]
    return F.pad(picture, (canvas.left, right, canvas.top, bottom), mode="replicate")


def cut_from_canvas(frames: Tensor, options: Options) -> Tensor:
    """Frames [t, c, y, x] of the film's size from frames of the canvas."""
    canvas = model_traits.choose_canvas(options)
    bottom, right = canvas.top + canvas.film_height, canvas.left + canvas.film_width
    frames = frames[..., canvas.top : bottom, canvas.left : right]
    if frames.shape[-2:] == (options.height, options.width):
        return frames
    return F.interpolate(frames.float(), (options.height, options.width), mode="bicubic").clamp(
        -1, 1
    )


def choose_schedule(steps: int) -> Schedule:
    """Noise levels for so many steps, without diffusers where they are pocket's own number."""
    if steps == model_traits.STEPS:
        return Schedule(model_traits.TIMESTEPS, model_traits.SIGMAS)
    return make_schedule(steps, model_traits.TRANSFORMER.sigmas)


def weights_of_part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights of one module out of a file of several."""
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def to_batch(array: np.ndarray) -> Tensor:
    """An array as a batch of one."""
    return torch.from_numpy(np.ascontiguousarray(array))[None].float()
